import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** Something that writes until it is stopped, and takes every failure for a pause. */
export interface Writer {
  /** How often it wrote with success. */
  readonly written: () => number
  /** Why it failed last, for whoever wonders that it doesn't write. */
  readonly failure: () => string
  stop(): Promise<void>
}

const PAUSE_MS = 20
/** Between two writes: three servers, their database and the tests share the machine's cores with what is written. */
const PACE_MS = 20

function repeat(write: (turn: number) => Promise<void>, close: () => Promise<void> = () => Promise.resolve()): Writer {
  let written = 0
  let failure = 'nothing'
  let stopped = false
  async function run(): Promise<void> {
    for (let turn = 0; !stopped; turn += 1) {
      try {
        await write(turn)
        written += 1
        await delay(PACE_MS)
      } catch (error) {
        failure = String(error)
        await delay(PAUSE_MS)
      }
    }
    await close()
  }
  const running = run()
  return {
    written: () => written,
    failure: () => failure,
    stop() {
      stopped = true
      return running
    },
  }
}

/** Crawls of one user through GraphQL: a session, three saves, its end; again and again. */
export function writeByApi(urlOf: () => string, userId: string): Writer {
  async function mutate(field: string, input: Record<string, unknown>): Promise<void> {
    const type = `${field[0]?.toUpperCase() ?? ''}${field.slice(1)}Input!`
    const response = await fetch(urlOf(), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: `mutation ($input: ${type}) { result: ${field}(input: $input) { __typename ... on UserError { message } } }`,
        variables: { input },
      }),
      signal: AbortSignal.timeout(10_000),
    })
    const { data } = (await response.json()) as { data?: { result: { __typename: string; message?: string } } | null }
    if (!data?.result.__typename.endsWith('Success')) throw new Error(data?.result.message ?? 'no answer')
  }
  return repeat(async (turn) => {
    const session = { userId, sessionId: `${userId}-${turn}` }
    await mutate('startSession', { ...session, takeover: true })
    for (let page = 1; page <= 3; page += 1) {
      await mutate('saveCheckpoint', { ...session, itemId: String(4 * turn + page), bookmarksAdded: 1 })
    }
    await mutate(turn % 3 === 0 ? 'stopSession' : 'completeSession', { sessionId: session.sessionId })
  })
}

/**
 * Transactions of psql's kind over checkpoints in two streams and sessions that all of these writers share; every fifth is rolled back,
 * every seventh stays open for a while, so that IDs taken early are committed late.
 */
export function writeBySql(databaseUrl: string, userId: string, name: string): Writer {
  let client: pg.Client | undefined
  async function connected(): Promise<pg.Client> {
    if (client) return client
    const fresh = new pg.Client({ connectionString: databaseUrl })
    fresh.on('error', () => (client = undefined))
    await fresh.connect()
    return (client = fresh)
  }
  return repeat(
    async (turn) => {
      const connection = await connected()
      const run = (sql: string, values: unknown[]) => connection.query(sql, values)
      const sessionId = `${name}-${turn}`
      try {
        await connection.query('BEGIN')
        for (const stream of ['reddit/saved', 'twitter/bookmarks']) {
          await run(
            `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id, bookmarks_count) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = EXCLUDED.last_tweet_id, bookmarks_count = EXCLUDED.bookmarks_count`,
            [userId, stream, sessionId, turn],
          )
          if (turn % 7 === 0) await connection.query('SELECT pg_sleep(0.04)')
        }
        await run('INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ($1, $2)', [sessionId, userId])
        await run(`UPDATE crawler.crawl_session SET status = 'failed' WHERE session_id = $1`, [sessionId])
        await run('DELETE FROM crawler.crawl_session WHERE session_id = $1', [`${name}-${turn - 10}`])
        await connection.query(turn % 5 === 0 ? 'ROLLBACK' : 'COMMIT')
      } catch (error) {
        client = undefined
        await connection.end().catch(() => undefined)
        throw error
      }
    },
    async () => client?.end(),
  )
}
