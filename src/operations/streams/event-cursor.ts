import type { ExecutionResult } from 'graphql'

const cursors = new WeakMap<ExecutionResult, string>()

/** Notes which event a result tells, where that has a cursor: a client may not select it, and can still be told where it was. */
export function noteCursor(result: ExecutionResult, event: unknown): ExecutionResult {
  if (typeof event !== 'object' || event === null || !('cursor' in event)) return result
  if (typeof event.cursor === 'string') cursors.set(result, event.cursor)
  return result
}

/** Of the event that a result tells; undefined: it has none, or the result was masked. */
export function cursorOf(result: ExecutionResult): string | undefined {
  return cursors.get(result)
}
