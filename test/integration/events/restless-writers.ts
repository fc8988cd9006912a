import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { seededRandom } from '../../support/crawl-random.ts'
import type { TestWaymark } from '../../support/waymark.ts'
import type { Gate } from './gate.ts'

export const STREAMS = ['twitter/bookmarks', 'twitter/likes', 'reddit/saved'] as const
export const USERS = 12
const SESSIONS = 40
/** A lock that takes too long, a deadlock, a user that is gone: as good as a rollback. */
const EXPECTED = new Set(['55P03', '40P01', '23503'])

/** What a table holds that a client can know: of sessions the status, of checkpoints item, count and version. */
export interface State {
  readonly sessions: Record<string, string>
  readonly checkpoints: Record<string, string>
}

/**
 * Writes on connections of their own (raw SQL as of any program, Waymark's functions, cascades) and through the API, until stopped. Each
 * transaction is written within the gate.
 */
export function startWriters(waymark: TestWaymark, gate: Gate, raw: number): { stop(): Promise<unknown> } {
  let stopped = false
  const isStopped = () => stopped
  const writing = [
    ...Array.from({ length: raw }, (_, seed) => writeRaw(waymark.database.url, gate, seed, isStopped)),
    writeByApi(waymark, gate, isStopped),
  ]
  return {
    stop: () => {
      stopped = true
      return Promise.all(writing)
    },
  }
}

async function writeRaw(url: string, gate: Gate, seed: number, isStopped: () => boolean): Promise<void> {
  const random = seededRandom(seed)
  const client = new pg.Client({ connectionString: url, options: '-c lock_timeout=500' })
  await client.connect()
  const someUser = () => `user-${random.below(USERS)}`
  const someStream = () => STREAMS[random.below(STREAMS.length)] ?? STREAMS[0]
  const operations: (() => [string, unknown[]])[] = [
    () => [
      `INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at) SELECT $1, id, $3, now()
       FROM public."user" WHERE id = $2 ON CONFLICT DO NOTHING`,
      [`session-${random.below(SESSIONS)}`, someUser(), someStream()],
    ],
    () => [
      `UPDATE crawler.crawl_session SET status = $2 WHERE session_id = $1`,
      [`session-${random.below(SESSIONS)}`, ['running', 'completed', 'stopped', 'failed'][random.below(4)]],
    ],
    () => ['DELETE FROM crawler.crawl_session WHERE session_id = $1', [`session-${random.below(SESSIONS)}`]],
    () => [
      `UPDATE crawler.crawl_checkpoint SET bookmarks_count = bookmarks_count + 1, last_crawled_at = now()
       WHERE user_id = $1 AND stream = $2`,
      [someUser(), someStream()],
    ],
    () => ['DELETE FROM crawler.crawl_checkpoint WHERE user_id = $1 AND stream = $2', [someUser(), someStream()]],
    () => [
      `SELECT crawler.save_checkpoints(json_build_array(json_build_object('place', 0, 'user_id', $1::text, 'stream', $2::text,
         'item_id', $3::text, 'addition', 1)), false)`,
      [someUser(), someStream(), String(random.below(1_000))],
    ],
    // Takes its sessions and checkpoints along.
    () => ['DELETE FROM public."user" WHERE id = $1 AND random() < 0.05', [someUser()]],
    () => ['INSERT INTO public."user" VALUES ($1) ON CONFLICT DO NOTHING', [someUser()]],
    () => ['INSERT INTO public."user" VALUES ($1) ON CONFLICT DO NOTHING', [someUser()]],
  ]
  try {
    while (!isStopped()) {
      await gate.share(async () => {
        await client.query('BEGIN')
        try {
          for (let statement = 0; statement < 3; statement += 1) {
            const [sql, values] = operations[random.below(operations.length)]?.() ?? ['SELECT 1', []]
            await client.query(sql, values)
            // Open for long enough that lists are read meanwhile.
            if (random.below(4) === 0) await delay(random.below(25))
          }
          await client.query(random.below(5) === 0 ? 'ROLLBACK' : 'COMMIT')
        } catch (error) {
          if (!(error instanceof pg.DatabaseError) || !EXPECTED.has(error.code ?? '')) throw error
          await client.query('ROLLBACK')
        }
      })
      await delay(random.below(30))
    }
  } finally {
    await client.end()
  }
}

/** Sessions of its own users, which the others leave alone. */
async function writeByApi(waymark: TestWaymark, gate: Gate, isStopped: () => boolean): Promise<void> {
  const random = seededRandom(1_000)
  await waymark.ask('mutation { registerUser(input: { userId: "api" }) { __typename } }')
  for (let turn = 0; !isStopped(); turn += 1) {
    const stream = STREAMS[random.below(STREAMS.length)] ?? STREAMS[0]
    const sessionId = `api-${turn}`
    const mutations = [
      `startSession(input: { userId: "api", stream: "${stream}", sessionId: "${sessionId}", takeover: true }) { __typename }`,
      `saveCheckpoint(input: { userId: "api", stream: "${stream}", itemId: "${turn}", bookmarksAdded: 1, sessionId: "${sessionId}" }) { __typename }`,
      `completeSession(input: { sessionId: "${sessionId}" }) { __typename }`,
      `rollbackCheckpoint(input: { userId: "api", stream: "${stream}", toVersion: 1 }) { __typename }`,
      `clearCheckpoint(input: { userId: "api", stream: "${stream}" }) { __typename }`,
    ]
    for (const mutation of mutations.slice(0, 2 + random.below(4))) {
      await gate.share(() => waymark.ask(`mutation { ${mutation} }`))
      await delay(random.below(30))
    }
    // The list stays short.
    await gate.share(() =>
      waymark.database.query(`DELETE FROM crawler.crawl_session WHERE user_id = 'api' AND session_id <> $1`, [
        sessionId,
      ]),
    )
  }
}
