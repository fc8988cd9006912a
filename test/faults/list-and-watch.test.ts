import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { expect, it } from 'vitest'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'
import { Gate } from '../integration/events/gate.ts'
import { type State, startWriters, USERS } from '../integration/events/restless-writers.ts'
import { openStream } from '../integration/events/sse.ts'

/** By `npm run test:faults` 10,000; any number with LIST_WATCH_ROUNDS. */
const ROUNDS = Number(process.env['LIST_WATCH_ROUNDS'] ?? (process.env['WAYMARK_FAULTS'] === '1' ? 10_000 : 200))
const CLIENTS = 12
const PAGE = 15

interface Row {
  readonly userId: string
  readonly sessionId?: string
  readonly status?: string
  readonly stream: string
  readonly lastItemId?: string
  readonly bookmarksCount?: number
  readonly version?: number
}

interface Event extends Row {
  readonly kind: string
}

interface Listed {
  readonly feedCursor: string
  readonly nodes: readonly Row[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
}

const KINDS = {
  sessions: {
    fields: 'sessionId userId stream status',
    feed: 'sessionStatusChanged',
    eventFields: 'kind sessionId userId stream status',
    keyOf: ({ sessionId }: Row) => sessionId ?? '',
    valueOf: ({ status }: Row) => status ?? '',
    gone: 'DELETED',
  },
  checkpoints: {
    fields: 'userId stream lastItemId bookmarksCount version',
    feed: 'checkpointChanged',
    eventFields: 'kind userId stream lastItemId bookmarksCount version',
    keyOf: ({ userId, stream }: Row) => `${userId} ${stream}`,
    valueOf: ({ lastItemId, bookmarksCount, version }: Row) => `${lastItemId} ${bookmarksCount} ${version}`,
    gone: 'CLEARED',
  },
} as const

const kinds = ['sessions', 'checkpoints'] as const

/** States of the tables, each as of its marker in the feeds. */
class Markers {
  readonly #gate: Gate
  readonly #client: pg.Client
  readonly states: State[] = []

  constructor(gate: Gate, client: pg.Client) {
    this.#gate = gate
    this.#client = client
  }

  /** Between the writers' transactions: a session and a save of the marker's own, and what else there is. Announced as by another replica. */
  async place(): Promise<void> {
    await this.#gate.alone(async () => {
      const marker = this.states.length
      const { rows } = await this.#client.query<State>(`SELECT
        (SELECT coalesce(json_object_agg(session_id, upper(status)), '{}') FROM crawler.crawl_session WHERE user_id <> 'marker') AS sessions,
        (SELECT coalesce(json_object_agg(c.user_id || ' ' || c.stream, c.last_tweet_id || ' ' || c.bookmarks_count || ' ' || s.version), '{}')
          FROM crawler.crawl_checkpoint c JOIN crawler.crawl_state s USING (user_id, stream) WHERE c.user_id <> 'marker') AS checkpoints`)
      const [state] = rows
      if (!state) throw new Error('the tables have no state')
      // Before it is written: a watcher may hear of the marker before this test does.
      this.states.push(state)
      await this.#client.query(
        `BEGIN;
         DELETE FROM crawler.crawl_session WHERE user_id = 'marker';
         INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('${marker}', 'marker', now());
         INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ('marker', '${marker}')
           ON CONFLICT (user_id) DO UPDATE SET last_tweet_id = excluded.last_tweet_id;
         COMMIT;
         NOTIFY waymark_feed`,
      )
    })
  }
}

/** Lists page by page, then watches from the first page's cursor to the first marker that was placed after the last page. */
async function round(waymark: TestWaymark, markers: Markers): Promise<void> {
  const lists = await readLists(waymark)
  const marker = markers.states.length
  const leave = new AbortController()
  try {
    const states = await Promise.all(kinds.map((kind) => watch(waymark, kind, lists[kind], marker, leave.signal)))
    expect({ sessions: states[0], checkpoints: states[1] }).toEqual(markers.states[marker])
  } finally {
    leave.abort()
  }
}

interface Known {
  readonly known: Map<string, string>
  readonly feedCursor: string
}

/** Reads both lists page by page, a page of each at a time; keeps what was read and the feedCursor of the first page. */
async function readLists(waymark: TestWaymark): Promise<Record<keyof typeof KINDS, Known>> {
  const read = { sessions: new Map<string, string>(), checkpoints: new Map<string, string>() }
  const feedCursors: Partial<Record<keyof typeof KINDS, string>> = {}
  let left = [...kinds]
  const after: Partial<Record<keyof typeof KINDS, string | null>> = {}
  while (left.length > 0) {
    const pages = left.map((kind) => {
      const from = after[kind] ? `, after: "${after[kind]}"` : ''
      return `${kind}(first: ${PAGE}${from}) { feedCursor nodes { ${KINDS[kind].fields} } pageInfo { hasNextPage endCursor } }`
    })
    const data = await waymark.ask<Record<string, Listed>>(`{ ${pages.join(' ')} }`)
    left = left.filter((kind) => {
      const page = data[kind] ?? fail()
      const { keyOf, valueOf } = KINDS[kind]
      feedCursors[kind] ??= page.feedCursor
      for (const row of page.nodes) if (row.userId !== 'marker') read[kind].set(keyOf(row), valueOf(row))
      after[kind] = page.pageInfo.endCursor
      return page.pageInfo.hasNextPage
    })
  }
  const known = (kind: keyof typeof KINDS) => ({ known: read[kind], feedCursor: feedCursors[kind] ?? fail() })
  return { sessions: known('sessions'), checkpoints: known('checkpoints') }
}

async function watch(
  waymark: TestWaymark,
  kind: keyof typeof KINDS,
  { known, feedCursor }: Known,
  marker: number,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const { feed, eventFields, keyOf, valueOf, gone } = KINDS[kind]
  const query = `subscription ($after: String) { told: ${feed}(after: $after) { ${eventFields} } }`
  const stream = await openStream<{ told: Event }>(waymark.url, { query, variables: { after: feedCursor } }, signal)
  for await (const { data, errors } of stream) {
    if (!data) throw new Error(JSON.stringify(errors))
    const event = data.told
    if (event.userId === 'marker') {
      if (event.kind !== gone && Number(event.sessionId ?? event.lastItemId) === marker)
        return Object.fromEntries(known)
    } else if (event.kind === gone) known.delete(keyOf(event))
    else known.set(keyOf(event), valueOf(event))
  }
  throw new Error('the stream ended before its marker')
}

function fail(): never {
  throw new Error('nothing was answered')
}

it(
  `lists and feeds meet without a gap under writers that never pause (${ROUNDS} rounds)`,
  async () => {
    await using waymark = await startWaymark()
    await waymark.database.query(
      `INSERT INTO public."user" SELECT 'user-' || n FROM generate_series(0, ${USERS - 1}) n UNION ALL SELECT 'marker';
     INSERT INTO crawler.crawl_session (session_id, user_id, started_at) SELECT 'session-' || n, 'user-' || n, now() FROM generate_series(0, ${USERS - 1}) n;
     INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) SELECT 'user-' || n, 'reddit/saved', '0' FROM generate_series(0, ${USERS - 1}) n`,
    )
    const gate = new Gate()
    const client = new pg.Client({ connectionString: waymark.database.url })
    await client.connect()
    const markers = new Markers(gate, client)
    const writers = startWriters(waymark, gate, 6)
    let left = ROUNDS
    const over = new AbortController()
    const placing = (async () => {
      while (!over.signal.aborted) {
        await markers.place()
        await delay(5)
      }
    })()
    try {
      await Promise.all(
        Array.from({ length: CLIENTS }, async () => {
          while (left > 0) {
            left -= 1
            await round(waymark, markers)
          }
        }),
      )
    } finally {
      over.abort()
      await placing
      await writers.stop()
      await client.end()
    }
    // It was a fight: the tables changed between most markers, and each kind of event was there.
    const kinds = await waymark.database.query<{ kind: string }>(
      'SELECT DISTINCT kind FROM crawler.feed_event ORDER BY kind',
    )
    expect(kinds.map(({ kind }) => kind)).toEqual([
      'CHECKPOINT_CLEARED',
      'CHECKPOINT_ROLLED_BACK',
      'CHECKPOINT_SAVED',
      'SESSION_DELETED',
      'SESSION_STARTED',
      'SESSION_STATUS_CHANGED',
    ])
    expect(new Set(markers.states.map((state) => JSON.stringify(state))).size).toBeGreaterThan(
      markers.states.length / 2,
    )
  },
  ROUNDS * 100 + 60_000,
)
