import { errorOf } from '../attempt.ts'
import { UnavailableError } from '../errors.ts'
import {
  CheckpointChangesDocument,
  ListCheckpointsDocument,
  ListSessionsDocument,
  SessionChangesDocument,
} from '../generated/documents.ts'
import { sleep } from '../sleep.ts'
import { jittered, type Transport } from '../transport.ts'
import { eventStream, StreamEnd, type StreamResult } from './event-stream.ts'
import type { FollowEvent, FollowOptions } from './events.ts'

/** What can be followed: the documents of its list and of its changes. */
const FEEDS = {
  checkpoints: { list: ListCheckpointsDocument, changes: CheckpointChangesDocument },
  sessions: { list: ListSessionsDocument, changes: SessionChangesDocument },
} as const

export type FeedName = keyof typeof FEEDS

interface ListPage {
  readonly rows: {
    readonly feedCursor: string
    readonly nodes: readonly unknown[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
  }
}
type Event = FollowEvent<unknown, { readonly cursor: string }>

const PAGE = 100
const CUT = new Set(['SLOW_CLIENT', 'RATE_LIMITED', 'OVERLOADED', 'SERVICE_UNAVAILABLE'])

/** Tells the rows of a list, then every change. */
export async function* follow(
  transport: Transport,
  feed: FeedName,
  { filter, after, signal }: FollowOptions<object>,
): AsyncGenerator<Event, void, undefined> {
  const end = new AbortController()
  const abort = () => end.abort()
  if (signal?.aborted) return
  signal?.addEventListener('abort', abort, { once: true })
  try {
    yield* new Follower(transport, feed, filter, end.signal).events(after)
  } catch (error) {
    if (!end.signal.aborted) throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

class Follower {
  readonly #transport: Transport
  readonly #feed: FeedName
  readonly #filter: object | undefined
  readonly #signal: AbortSignal
  /** Whether anything was heard of the server: from then on its absence is waited out, however long it takes. */
  #hasReached = false
  #failures = 0
  readonly #startedAt = performance.now()

  constructor(transport: Transport, feed: FeedName, filter: object | undefined, signal: AbortSignal) {
    this.#transport = transport
    this.#feed = feed
    this.#filter = filter
    this.#signal = signal
  }

  async *events(after: string | undefined): AsyncGenerator<Event, void, undefined> {
    let cursor = after
    while (!this.#signal.aborted) {
      try {
        if (cursor === undefined) cursor = yield* this.#list()
        for await (const result of this.#changes(cursor)) {
          const change = changeOf(result, this.#transport)
          this.#heard()
          cursor = change.cursor
          yield { type: 'change', change, cursor }
        }
        // The server has completed the stream: it shuts down, and another one takes over.
        await this.#pause(0)
      } catch (error) {
        this.#signal.throwIfAborted()
        if (isExpired(error)) {
          cursor = undefined
          await this.#pause(0)
        } else await this.#outwait(error)
      }
    }
  }

  #changes(after: string): AsyncGenerator<StreamResult, void, undefined> {
    const { changes } = FEEDS[this.#feed]
    return eventStream(this.#transport.link, changes.toString(), { filter: this.#filter, after }, this.#signal)
  }

  /** @returns the cursor of the list: every change after it comes from the stream */
  async *#list(): AsyncGenerator<Event, string, undefined> {
    const first = await this.#page(null)
    this.#heard()
    yield { type: 'reset' }
    let page = first
    for (;;) {
      for (const row of page.rows.nodes) yield { type: 'row', row, cursor: null }
      const { hasNextPage, endCursor } = page.rows.pageInfo
      if (!hasNextPage) break
      page = await this.#page(endCursor)
    }
    const { feedCursor } = first.rows
    yield { type: 'listed', cursor: feedCursor }
    return feedCursor
  }

  async #page(after: string | null): Promise<ListPage> {
    const variables = { filter: this.#filter, first: PAGE, after }
    return (await this.#transport.send(FEEDS[this.#feed].list.toString(), variables, {
      signal: this.#signal,
    })) as ListPage
  }

  #heard(): void {
    this.#hasReached = true
    this.#failures = 0
  }

  /** Waits where a repeat can help. @throws the error where it cannot */
  async #outwait(error: unknown): Promise<void> {
    const isEnd = error instanceof StreamEnd
    const cause = isEnd ? error.error : error
    const isRetriable = isEnd ? error.isRetriable : cause instanceof UnavailableError
    // A list was asked for until its budget ran out; a stream is asked for once.
    const isInBudget = isEnd && performance.now() - this.#startedAt < this.#transport.budgetMs
    const isPatient = this.#hasReached || isInBudget
    if (!isRetriable || !isPatient) throw cause
    await this.#pause(isEnd ? error.retryAfterMs : 0)
  }

  async #pause(retryAfterMs: number): Promise<void> {
    this.#failures += 1
    await sleep(Math.max(retryAfterMs, jittered(this.#failures)), this.#signal)
  }
}

/** @throws {StreamEnd} where the event holds an error instead of a change */
function changeOf({ data, errors }: StreamResult, { link }: Transport): { readonly cursor: string } {
  // An error of a row comes beside its change.
  if (data?.change) return data.change as { readonly cursor: string }
  const [first] = errors ?? []
  const { code = 'INTERNAL_SERVER_ERROR', requestId = null, retryAfterSeconds = 0 } = first?.extensions ?? {}
  const message = link.redact(first?.message ?? 'The event stream sent no change.')
  const isRetriable = CUT.has(code)
  const details = { code, requestId }
  throw new StreamEnd(
    isRetriable ? new UnavailableError(message, { ...details, mayHaveWritten: false }) : errorOf(message, details),
    { isRetriable, retryAfterMs: retryAfterSeconds * 1000 },
  )
}

function isExpired(error: unknown): boolean {
  return error instanceof StreamEnd && error.error.code === 'CURSOR_EXPIRED'
}
