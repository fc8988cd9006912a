import { setTimeout as delay } from 'node:timers/promises'
import { createClient as createSocketClient } from 'graphql-ws'
import { createClient } from 'graphql-sse'
import { expect } from 'vitest'
import { WebSocket } from 'ws'
import { decodeFeedCursor } from '../../../src/events/cursor.ts'
import { transports } from '../../integration/http/transports.ts'
import type { Attack, Target } from '../attack.ts'
import { rounds } from '../rounds.ts'

const STREAMS = rounds(84, 12)
/** In the full round the third is for the next minute: its points and those for opening the streams are too many. */
const EVENTS = rounds(3, 1)
const ARRIVED_MS = rounds(180_000, 20_000)
const PAGE = 100
const PAGES = 10
const SESSION = 'sessionId stream status startedAt completedAt bookmarksProcessed worker endReason errorMessage'

/** Ten pages of a hundred sessions an event, each by a filter of its own: nothing that two streams read is shared. */
function documentOf(n: number): string {
  const pages = Array.from({ length: PAGES }, (_, page) => {
    const startedAfter = new Date(n * PAGES + page).toISOString()
    return `p${page}: sessions(first: ${PAGE}, filter: { startedAfter: "${startedAfter}" }) { nodes { ${SESSION} } }`
  })
  return `subscription ($after: String!) { told: sessionStatusChanged(filter: { userId: "watched" }, after: $after) {
    sessionId session { user { ${pages.join(' ')} } } } }`
}

interface Client {
  subscribe: ReturnType<typeof createClient>['subscribe']
  dispose(): void | Promise<void>
}

let happened = 0
async function happen(target: Target): Promise<string> {
  const sessionId = `watched-event-${(happened += 1)}`
  await target.database.query(
    `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
      VALUES ($1, 'watched', now(), now(), 'completed')`,
    [sessionId],
  )
  return sessionId
}

async function strike(target: Target, clients: readonly Client[]): Promise<void> {
  const told: string[][] = clients.map(() => [])
  const failures: unknown[] = []
  const after = await cursorBehindPreparation(target)
  clients.forEach((client, n) => {
    client.subscribe(
      { query: documentOf(n), variables: { after } },
      {
        next: ({ data, errors }) => {
          if (errors) failures.push(errors)
          const event = data?.['told'] as { readonly sessionId: string } | undefined
          if (event) told[n]?.push(event.sessionId)
        },
        error: (error) => failures.push(error),
        complete: () => undefined,
      },
    )
  })
  let isOver = false
  const reading = readBeside(target, () => isOver)
  try {
    const sessionIds: string[] = []
    while (sessionIds.length < EVENTS) sessionIds.push(await happen(target))
    const arrived = () => told.every(({ length }) => length >= EVENTS)
    await expect.poll(() => failures.length > 0 || arrived(), { timeout: ARRIVED_MS, interval: 100 }).toBe(true)
    for (const ids of told) expect(ids).toEqual(sessionIds)
    expect(failures).toEqual([])
  } finally {
    isOver = true
    for (const client of clients) await client.dispose()
    expect(await reading).toEqual([])
  }
}

/** The feed may not have read what was prepared yet. From an earlier cursor it would tell of that first. */
async function cursorBehindPreparation(target: Target): Promise<string> {
  const [{ last } = { last: '0' }] = await target.database.query<{ last: string }>(
    'SELECT max(event_id) AS last FROM crawler.feed_event',
  )
  let cursor = ''
  await expect
    .poll(async () => {
      cursor = await feedCursor(target)
      return decodeFeedCursor(cursor)?.eventId
    })
    .toBeGreaterThanOrEqual(BigInt(last))
  return cursor
}

async function feedCursor(target: Target): Promise<string> {
  const { data } = await transports.HTTP(
    target.url,
    '{ sessions(first: 1) { feedCursor } }',
    {},
    { authorization: target.insider },
  )
  return (data as { sessions: { feedCursor: string } }).sessions.feedCursor
}

/** Another caller, who reads by key. @returns what went wrong */
async function readBeside(target: Target, isOver: () => boolean): Promise<unknown[]> {
  const authorization = await target.sign({ sub: 'reader', scope: 'read' })
  const failures: unknown[] = []
  while (!isOver()) {
    const query = '{ checkpoint(userId: "watched") { lastItemId } }'
    const { errors } = await transports.HTTP(target.url, query, {}, { authorization })
    if (errors) failures.push(errors)
    await delay(50)
  }
  return failures
}

export const attack: Attack = {
  title: `${STREAMS} streams that each read a thousand objects an event`,
  async prepare({ database }) {
    await database.query(`INSERT INTO public."user" VALUES ('watched');
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id)
        VALUES ('watched', 'twitter/bookmarks', '1');
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
        SELECT 'watched-' || n, 'watched', now(), now(), 'completed' FROM generate_series(1, ${PAGE}) n`)
  },
  ways: {
    SSE: (target) =>
      strike(
        target,
        Array.from({ length: STREAMS }, () =>
          createClient({ url: target.url, retryAttempts: 0, headers: { authorization: target.insider } }),
        ),
      ),
    WebSocket: (target) =>
      strike(
        target,
        Array.from({ length: STREAMS }, () =>
          createSocketClient({
            url: target.url.replace('http', 'ws'),
            webSocketImpl: WebSocket,
            retryAttempts: 0,
            connectionParams: { authorization: target.insider },
          }),
        ),
      ),
  },
}
