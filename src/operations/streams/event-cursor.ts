import type { ExecutionResult } from 'graphql'

const cursors = new WeakMap<ExecutionResult, string>()

/**
 * Remembers the cursor of the event that a result delivers, if it has one. So a client that does not select the cursor
 * can still learn where it was.
 * @returns the same result
 */
export function noteCursor(result: ExecutionResult, event: unknown): ExecutionResult {
  if (typeof event !== 'object' || event === null || !('cursor' in event)) return result
  if (typeof event.cursor === 'string') cursors.set(result, event.cursor)
  return result
}

/** The cursor of the event that a result delivers; undefined: it has none, or the result was masked. */
export function cursorOf(result: ExecutionResult): string | undefined {
  return cursors.get(result)
}
