import type { z } from 'zod'
import type { InputIssue } from './domain-error.ts'

/**
 * zod's findings in the contract's shape.
 * @param path where the checked value stands in the operation's arguments
 */
export function issuesOf(result: z.ZodSafeParseResult<unknown>, path: readonly string[]): InputIssue[] {
  if (result.success) return []
  return result.error.issues.map((issue) => ({ path: [...path, ...issue.path.map(String)], message: issue.message }))
}
