import { type ExecutionResult, GraphQLError } from 'graphql'
import type { FaultCode } from '../../errors/fault.ts'

export const SLOW_CLIENT: FaultCode = 'SLOW_CLIENT'

/**
 * The code that closes the WebSocket of a client that takes nothing. It is in the range for private use, and
 * graphql-ws' client reconnects after it.
 */
export const SLOW_CLIENT_CLOSE = 4480

/**
 * The last event for a subscriber that takes nothing, for when it reads again.
 * @param cursor the cursor of the last event that was sent before; undefined: none was
 */
export function slowClientResult(cursor: string | undefined): ExecutionResult {
  const error = new GraphQLError(
    `Nothing was read from this stream for too long: ${adviceFor(cursor === undefined ? [] : [cursor])}.`,
    { extensions: { code: SLOW_CLIENT, cursor: cursor ?? null } },
  )
  return { errors: [error] }
}

/**
 * The same as the reason of a WebSocket's close, at most 123 bytes.
 * @param cursors the last cursor of each subscription that was sent one
 */
export function slowClientReason(cursors: readonly string[]): string {
  const reason = `${SLOW_CLIENT}: ${adviceFor(cursors)}`
  return Buffer.byteLength(reason) <= 123 ? reason : `${SLOW_CLIENT}: ${adviceFor([])}`
}

function adviceFor([cursor, ...others]: readonly string[]): string {
  return cursor === undefined || others.length > 0
    ? 'subscribe again, after the last cursor that you have'
    : `subscribe again, after ${cursor}`
}
