import type { ServerResponse } from 'node:http'
import type { ExecutionResult } from 'graphql'
import { resultText } from './result-text.ts'

/** Below the minute after which common proxies drop a silent connection, and often enough to meet a dead one soon. */
const PING_MS = 12_000
const PING = ':\n\n'
const COMPLETE = 'event: complete\ndata:\n\n'
/** A reader that takes nothing for so long gets nothing more; it comes back with its last cursor. */
const STALL_LIMIT_MS = 5 * 60_000
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
  readonly stallLimitMs?: number
}

/**
 * Answers with GraphQL over SSE, distinct connections mode, at the pace of its reader: an event is asked of the stream once the one
 * before left for the socket. When the client goes the stream is returned; when it takes nothing for stallLimitMs, its connection is
 * cut. What the stream throws is told last. Resolves when nothing is left to send.
 * https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */
export async function sendEventStream(
  response: ServerResponse,
  events: AsyncIterableIterator<ExecutionResult>,
  { gone, presentError, stallLimitMs = STALL_LIMIT_MS }: EventStreamOptions,
): Promise<void> {
  const isGone = () => gone.aborted || response.destroyed
  const leave = () => void events.return?.().catch(() => undefined)
  if (isGone()) {
    leave()
    return
  }
  response.writeHead(200, HEADERS)
  response.write(GREETING)
  const pinging = setInterval(() => {
    if (!response.writableNeedDrain) response.write(PING)
  }, PING_MS)
  gone.addEventListener('abort', leave, { once: true })
  try {
    for (;;) {
      const turn = await events.next()
      if (turn.done === true || isGone()) break
      if (!response.write(eventText(turn.value))) await drainedOrClosed(response, gone, stallLimitMs)
    }
    gone.removeEventListener('abort', leave)
    response.end(COMPLETE)
  } catch (error) {
    gone.removeEventListener('abort', leave)
    response.end(`${eventText(presentError(error))}${COMPLETE}`)
  } finally {
    clearInterval(pinging)
  }
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

function eventText(result: ExecutionResult): string {
  return `event: next\ndata: ${resultText(result)}\n\n`
}

function drainedOrClosed(response: ServerResponse, gone: AbortSignal, stallLimitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => response.destroy(), stallLimitMs)
    const settle = () => {
      clearTimeout(stalled)
      response.removeListener('drain', settle)
      response.removeListener('close', settle)
      gone.removeEventListener('abort', settle)
      resolve()
    }
    response.once('drain', settle)
    response.once('close', settle)
    gone.addEventListener('abort', settle, { once: true })
  })
}
