import type { ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import { cursorOf } from '../operations/streams/event-cursor.ts'
import { sharedResultText } from '../operations/results/result-text.ts'

/** Below the minute after which common proxies drop a silent connection, and often enough to meet a dead one soon. */
const PING_MS = 12_000
const PING = ':\n\n'
const COMPLETE = 'event: complete\ndata:\n\n'
/**
 * A reader that takes no byte for so long is ended. Node looks twice before it says so where some of a write was taken at once: 20 s at
 * the most, and with the farewell all that it had is free within 30 s.
 */
const STALL_LIMIT_MS = 10_000
const FAREWELL_MS = 8_000
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
}
/** Some clients take a response for begun only once something of its body came. */
const GREETING = PING

interface EventStreamOptions {
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal
  /** What is told last where the stream throws. */
  readonly presentError: (error: unknown) => ExecutionResult
  /** What is told last to a reader that takes nothing. @param cursor of the last event that was written */
  readonly presentSlow: (cursor: string | undefined) => ExecutionResult
  /** Calls back where the peer takes nothing of what the kernel has for it. @returns what ends the watch */
  readonly watchPeer?: (onSilent: () => void) => () => void
  /** Whether each event has its cursor as `id`: EventSource sends the last one when it connects again. Default: none has. */
  readonly withIds?: boolean
  readonly stallLimitMs?: number
  readonly farewellMs?: number
}

/**
 * Answers with GraphQL over SSE, distinct connections mode, at the pace of its reader: an event is asked of the stream once the one
 * before left for the socket. When the client goes the stream is returned. When it takes nothing for stallLimitMs (in this process) or
 * its peer is silent (in the kernel), the stream is returned, and the reason told last for whoever reads again; where that isn't taken
 * either, the connection is cut. What the stream throws is told last. Resolves when nothing is left to send.
 * https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
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

/** Closes the connection once the farewell is the kernel's, which keeps it for a reader that is there; or where that takes nothing either. */
function takeLeave(response: ServerResponse, farewell: string, farewellMs: number): void {
  const { socket } = response
  response.once('timeout', () => socket?.destroy())
  response.setTimeout(farewellMs)
  response.end(farewell, () => socket?.destroySoon())
}

/** Answers with one result, to a client that accepts nothing but events. */
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

/** Waits until what was written has left for the kernel, or the client. @returns whether not a byte of it did for so long */
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
    // Unlike a timer it starts anew with every byte of a long write that is taken.
    response.once('timeout', onTimeout)
    response.setTimeout(stallLimitMs)
    gone.addEventListener('abort', onMove, { once: true })
  })
}
