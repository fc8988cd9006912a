import type { z } from 'zod'
import type { InputIssue } from './domain-error.ts'

/**
 * Turns zod's issues into the contract's.
 * @param path where the checked value is in the operation's arguments
 */
export function issuesOf(result: z.ZodSafeParseResult<unknown>, path: readonly string[]): InputIssue[] {
  if (result.success) return []
  return result.error.issues.map((issue) => ({ path: [...path, ...issue.path.map(String)], message: issue.message }))
}
