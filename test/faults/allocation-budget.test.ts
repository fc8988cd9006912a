import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request, type RequestOptions } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'

/** So many to warm up, and so many that are measured. */
const REQUESTS = 300
/** On Node 20 the same from run to run within 2 %, and within 5 % where three busy processes share two cores. */
const ALLOWANCE = 1.5
const teller = fileURLToPath(new URL('../support/allocation-teller.mjs', import.meta.url))

const CHECKPOINT = 'userId stream lastItemId lastCrawledAt bookmarksCount updatedAt'
const SESSION = 'sessionId stream status startedAt completedAt bookmarksProcessed'
const SESSIONS = `sessions(first: 20) { nodes { ${SESSION} checkpoint { ${CHECKPOINT} } } }`
const SAVED = `... on SaveCheckpointSuccess { created checkpoint { ${CHECKPOINT} } }`

/** One after the other, so that each pays for all that it causes: a save for the feed's look and the wake-up too. */
const operations: readonly (readonly [what: string, kilobytes: number, operation: (n: number) => string])[] = [
  ['a checkpoint', 46, () => `{ checkpoint(userId: "alice") { ${CHECKPOINT} } }`],
  [
    'a session with its checkpoint and user',
    75,
    () => `{ session(sessionId: "alice-7") { ${SESSION} user { userId } checkpoint { ${CHECKPOINT} } } }`,
  ],
  ["a user's 20 newest sessions with checkpoints", 187, () => `{ user(userId: "alice") { ${SESSIONS} } }`],
  ['a save', 296, (n) => `mutation { saveCheckpoint(input: { userId: "alice", itemId: "${n}" }) { ${SAVED} } }`],
]

describe('what a request allocates in the server', () => {
  let folder: string
  let database: TestDatabase
  let server: ServerProcess
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const socketPath = () => join(folder, 'allocation')

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'waymark-allocation-'))
    database = await createTestDatabase()
    await database.query(`INSERT INTO public."user" VALUES ('alice');
      INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('alice', 'twitter/bookmarks', '1');
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
        SELECT 'alice-' || n, 'alice', now() + n * interval '1 second', now() + n * interval '2 seconds', 'completed'
        FROM generate_series(1, 30) n;
      ANALYZE`)
    server = await startServer({
      ...{ DATABASE_URL: database.url, LOG_LEVEL: 'info', ALLOCATION_SOCKET: socketPath() },
      NODE_OPTIONS: `--import=${teller}`,
    })
  })
  afterAll(async () => {
    agent.destroy()
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it.each(operations)('for %s is about %i kB', async (_, kilobytes, operation) => {
    for (let n = 0; n < REQUESTS; n += 1) await ask(operation(n))
    const before = await allocatedBytes()
    for (let n = 0; n < REQUESTS; n += 1) await ask(operation(REQUESTS + n))
    const each = ((await allocatedBytes()) - before) / REQUESTS / 1_000
    // A measure that has broken would tell too little.
    expect(each).toBeGreaterThan(kilobytes / 4)
    expect(each).toBeLessThan(kilobytes * ALLOWANCE)
  })

  async function ask(query: string): Promise<void> {
    const options = { method: 'POST', agent, headers: { 'content-type': 'application/json' } }
    const answer = await exchange(server.url, options, JSON.stringify({ query }))
    expect(answer).toMatch(/^{"data":(?!.*null)/)
  }

  async function allocatedBytes(): Promise<number> {
    return Number(await exchange('http://localhost', { socketPath: socketPath() }))
  }
})

async function exchange(url: string, options: RequestOptions, body?: string): Promise<string> {
  const sent = request(url, options).end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return text(response)
}
