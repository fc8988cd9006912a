import { createClient } from 'graphql-sse'

/** What the tests look at of an event of either feed. */
export interface ToldEvent {
  readonly cursor: string
  readonly kind: string
  readonly userId: string
  readonly stream: string
  readonly sessionId?: string
  readonly lastItemId?: string | null
}

export const feeds = {
  checkpointChanged: `subscription ($filter: CheckpointFilter, $after: String) {
    told: checkpointChanged(filter: $filter, after: $after) { cursor kind userId stream version lastItemId bookmarksCount } }`,
  sessionStatusChanged: `subscription ($filter: CrawlSessionFilter, $after: String) {
    told: sessionStatusChanged(filter: $filter, after: $after) { cursor kind userId stream sessionId previousStatus status } }`,
}

export interface Reading {
  readonly told: readonly ToldEvent[]
  /** Of the error that the feed answered or ended with. */
  readonly code: string | undefined
  readonly message: string | undefined
}

/** Reads a feed over SSE until it has told `count` events, or has ended. */
export async function readFeed(
  url: string,
  feed: keyof typeof feeds,
  variables: Record<string, unknown>,
  count: number,
): Promise<Reading> {
  const client = createClient({ url, retryAttempts: 0 })
  const told: ToldEvent[] = []
  try {
    for await (const { data, errors } of client.iterate<{ told: ToldEvent }>({ query: feeds[feed], variables })) {
      const [error] = errors ?? []
      if (error) return { told, code: String(error.extensions['code']), message: error.message }
      if (data && told.push(data.told) >= count) break
    }
  } finally {
    client.dispose()
  }
  return { told, code: undefined, message: undefined }
}

/** A subscriber that stays until it is disposed. `told` grows. */
export interface FeedWatch extends Disposable {
  readonly told: readonly ToldEvent[]
  /** Of the error that the feed ended with. */
  readonly code: string | undefined
}

export function watchLive(url: string, feed: keyof typeof feeds, variables: Record<string, unknown>): FeedWatch {
  const client = createClient({ url, retryAttempts: 0 })
  const told: ToldEvent[] = []
  let code: string | undefined
  const ignore = () => undefined
  client.subscribe<{ told: ToldEvent }>(
    { query: feeds[feed], variables },
    {
      next({ data, errors }) {
        if (data) told.push(data.told)
        if (errors?.[0]) code = String(errors[0].extensions['code'])
      },
      error: ignore,
      complete: ignore,
    },
  )
  return {
    told,
    get code() {
      return code
    },
    [Symbol.dispose]: () => client.dispose(),
  }
}
