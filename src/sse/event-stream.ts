import type { ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import { cursorOf } from '../operations/streams/event-cursor.ts'
import { sharedResultText } from '../operations/results/result-text.ts'

/** Below the minute after which common proxies drop an idle connection, and often enough to find a dead one soon. */
const PING_MS = 12_000
const PING = ':\n\n'
const COMPLETE = 'event: complete\ndata:\n\n'
/**
 * A stream ends if its reader takes no byte for this time. If part of a write was taken at once, Node checks twice
 * before it reports a timeout: 20 s at most. Together with the farewell, everything is free within 30 s.
 */
const STALL_LIMIT_MS = 10_000
const FAREWELL_MS = 8_000
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
}
/** Some clients regard a response as started only when part of its body has arrived. */
const GREETING = PING

interface EventStreamOptions {
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal
  /** Makes the last event if the stream throws. */
  readonly presentError: (error: unknown) => ExecutionResult
  /**
   * Makes the last event for a reader that takes nothing.
   * @param cursor the cursor of the last event that was written
   */
  readonly presentSlow: (cursor: string | undefined) => ExecutionResult
  /** Calls back if the peer takes nothing of what the kernel holds for it. @returns a function that ends the watch */
  readonly watchPeer?: (onSilent: () => void) => () => void
  /** Whether each event has its cursor as `id`, which EventSource sends when it reconnects. Default: false. */
  readonly withIds?: boolean
  readonly stallLimitMs?: number
  readonly farewellMs?: number
}

/**
 * Answers with GraphQL over SSE, distinct connections mode, at the pace of the reader: the next event is taken from the
 * stream when the last one has left for the socket. The stream is returned when the client goes.
 *
 * The stream is also returned if the reader takes nothing for stallLimitMs (in this process) or its peer is silent (in
 * the kernel). The last event then gives the reason, for a reader that reads again. If that is not taken either, the
 * connection is closed. If the stream throws, the last event is the error. Resolves when nothing is left to send.
 * https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 *
 * @param events the results to send
 */
export async function sendEventStream(
  response: ServerResponse,
  events: AsyncIterableIterator<ExecutionResult>,
  options: EventStreamOptions,
): Promise<void> {
  const {
    gone,
    presentError,
    presentSlow,
    watchPeer,
    withIds = false,
    stallLimitMs = STALL_LIMIT_MS,
    farewellMs = FAREWELL_MS,
  } = options
  const isGone = () => gone.aborted || response.destroyed
  const leave = () => void events.return?.().catch(() => undefined)
  if (isGone()) {
    leave()
    return
  }
  const slow = new AbortController()
  let cursor: string | undefined
  const onSlow = () => {
    slow.abort()
    leave()
  }
  response.writeHead(200, HEADERS)
  response.write(GREETING)
  const pinging = setInterval(() => {
    if (!response.writableNeedDrain) response.write(PING)
  }, PING_MS)
  const unwatch = watchPeer?.(onSlow)
  gone.addEventListener('abort', leave, { once: true })
  let last = ''
  try {
    for (;;) {
      const turn = await events.next()
      if (turn.done === true || slow.signal.aborted || isGone()) break
      const told = cursorOf(turn.value)
      cursor = told ?? cursor
      const isTaken = response.write(eventText(turn.value, withIds ? told : undefined))
      if (!isTaken && (await isStalled(response, gone, stallLimitMs))) onSlow()
    }
  } catch (error) {
    last = eventText(presentError(error))
  }
  gone.removeEventListener('abort', leave)
  clearInterval(pinging)
  unwatch?.()
  if (!slow.signal.aborted) response.end(`${last}${COMPLETE}`)
  else if (!isGone()) takeLeave(response, `${eventText(presentSlow(cursor))}${COMPLETE}`, farewellMs)
}

/**
 * Closes the connection when the kernel has taken the farewell, which it keeps for a reader that is still there, or
 * when nothing is taken for farewellMs.
 */
function takeLeave(response: ServerResponse, farewell: string, farewellMs: number): void {
  const { socket } = response
  response.once('timeout', () => socket?.destroy())
  response.setTimeout(farewellMs)
  response.end(farewell, () => socket?.destroySoon())
}

/** Answers with one result, for a client that accepts only events. */
export function sendEvent(
  response: ServerResponse,
  status: number,
  result: ExecutionResult,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...HEADERS, ...headers })
  response.end(`${GREETING}${eventText(result)}${COMPLETE}`)
}

function eventText(result: ExecutionResult, id?: string): string {
  const text = `event: next\ndata: ${sharedResultText(result)}\n`
  return id === undefined ? `${text}\n` : `${text}id: ${id}\n\n`
}

/**
 * Waits until the written text has left for the kernel, or the client has gone.
 * @returns whether no byte of it left for stallLimitMs
 */
function isStalled(response: ServerResponse, gone: AbortSignal, stallLimitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (stalled: boolean) => {
      response.removeListener('drain', onMove)
      response.removeListener('close', onMove)
      response.removeListener('timeout', onTimeout)
      gone.removeEventListener('abort', onMove)
      response.setTimeout(0)
      resolve(stalled)
    }
    const onMove = () => {
      settle(false)
    }
    const onTimeout = () => {
      settle(true)
    }
    response.once('drain', onMove)
    response.once('close', onMove)
    // Unlike a timer, it restarts with every byte of a long write that is taken.
    response.once('timeout', onTimeout)
    response.setTimeout(stallLimitMs)
    gone.addEventListener('abort', onMove, { once: true })
  })
}
