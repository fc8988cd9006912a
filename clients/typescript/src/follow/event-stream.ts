import { type Link, judge } from '../attempt.ts'
import type { WaymarkError } from '../errors.ts'
import { UnavailableError } from '../errors.ts'

/** What one event of a GraphQL stream holds. */
export interface StreamResult {
  readonly data?: { readonly change?: unknown } | null
  readonly errors?: readonly {
    readonly message?: string
    readonly extensions?: { readonly code?: string; readonly requestId?: string; readonly retryAfterSeconds?: number }
  }[]
}

/** The stream was refused or cut. */
export class StreamEnd extends Error {
  readonly error: WaymarkError
  readonly isRetriable: boolean
  readonly retryAfterMs: number

  constructor(error: WaymarkError, { isRetriable = true, retryAfterMs = 0 } = {}) {
    super(error.message)
    this.error = error
    this.isRetriable = isRetriable
    this.retryAfterMs = retryAfterMs
  }
}

/** The server says every 12 s that it lives. */
const SILENCE_MS = 30_000

/**
 * Subscribes over GraphQL over SSE (distinct connections mode), with plain fetch.
 * https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 * Ends where the server completes the stream. @throws {StreamEnd} where it is refused, silent or cut
 */
export async function* eventStream(
  link: Link,
  text: string,
  variables: object,
  signal: AbortSignal,
): AsyncGenerator<StreamResult, void, undefined> {
  const cut = new AbortController()
  const abort = () => cut.abort()
  if (signal.aborted) return
  signal.addEventListener('abort', abort, { once: true })
  try {
    const reader = await open(link, text, variables, cut)
    const decoder = new TextDecoder()
    let rest = ''
    for (;;) {
      const { done, value } = await inTime(reader.read(), cut)
      if (done) throw new StreamEnd(unreachable('the connection was cut'))
      const parts = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/)
      rest = parts.pop() ?? ''
      for (const part of parts) {
        const event = parse(part)
        if (event.name === 'complete') return
        if (event.name === 'next') yield JSON.parse(event.data) as StreamResult
      }
    }
  } catch (error) {
    if (isAborted(signal)) return
    throw error instanceof StreamEnd ? error : new StreamEnd(unreachable(link.redact(String(error))))
  } finally {
    signal.removeEventListener('abort', abort)
    cut.abort()
  }
}

async function open(
  link: Link,
  text: string,
  variables: object,
  cut: AbortController,
): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const sent = link.fetch(link.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...link.headers },
    body: JSON.stringify({ query: text, variables }),
    signal: cut.signal,
  })
  const response = await inTime(sent, cut)
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  if (isStream && response.body) return response.body.getReader()
  const judged = judge(link, { text, variables, isMutation: false }, response, await inTime(response.text(), cut))
  if (judged.error) throw new StreamEnd(judged.error, judged)
  throw new StreamEnd(unreachable('the server sent no event stream'), { isRetriable: false })
}

/** The lines of one event: `event: next` and `data: {...}`. A line that begins with a colon is a sign of life. */
function parse(text: string): { readonly name: string; readonly data: string } {
  const lines = text.split(/\r?\n/)
  const valuesOf = (field: string) =>
    lines.filter((line) => line.startsWith(`${field}:`)).map((line) => line.slice(field.length + 1).replace(/^ /, ''))
  return { name: valuesOf('event').at(-1) ?? '', data: valuesOf('data').join('\n') }
}

/** A function, since the compiler takes a signal that was not aborted once for one that never is. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

/** @throws {StreamEnd} where it takes longer than a living server would let it */
async function inTime<Value>(promise: Promise<Value>, cut: AbortController): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new StreamEnd(unreachable(`no sign of life in ${SILENCE_MS / 1000} s`)))
      cut.abort()
    }, SILENCE_MS)
  })
  try {
    return await Promise.race([promise, silence])
  } finally {
    clearTimeout(timer)
  }
}

function unreachable(reason: string): UnavailableError {
  return new UnavailableError(`The event stream ended: ${reason}.`, { code: 'NETWORK_ERROR', mayHaveWritten: false })
}
