import { type ExecutionResult, GraphQLError } from 'graphql'
import type { FaultCode } from '../../errors/fault.ts'

export const SLOW_CLIENT: FaultCode = 'SLOW_CLIENT'

/** Closes a WebSocket whose client takes nothing. Of the range for private use, and one after which graphql-ws' client connects again. */
export const SLOW_CLIENT_CLOSE = 4480

/**
 * The last that a subscriber is told which takes nothing, for when it reads again.
 * @param cursor of the last event that was sent before; undefined: none was
 */
export function slowClientResult(cursor: string | undefined): ExecutionResult {
  const error = new GraphQLError(
    `Nothing was read from this stream for too long: ${adviceFor(cursor === undefined ? [] : [cursor])}.`,
    { extensions: { code: SLOW_CLIENT, cursor: cursor ?? null } },
  )
  return { errors: [error] }
}

/** The same as the reason of a WebSocket's end, at most 123 bytes. @param cursors the last of each of its subscriptions that was sent one */
export function slowClientReason(cursors: readonly string[]): string {
  const reason = `${SLOW_CLIENT}: ${adviceFor(cursors)}`
  return Buffer.byteLength(reason) <= 123 ? reason : `${SLOW_CLIENT}: ${adviceFor([])}`
}

function adviceFor([cursor, ...others]: readonly string[]): string {
  return cursor === undefined || others.length > 0
    ? 'subscribe again, after the last cursor that you have'
    : `subscribe again, after ${cursor}`
}
