import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase, withClient } from '../support/database.ts'
import { watchLive } from '../support/feed-reader.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { expectEachSavedOnce, KeyedWriters, RETRIABLE } from './keyed-writers.ts'
import { rounds, tell } from './rounds.ts'

const SECONDS = rounds(60, 4)
const EVERY_MS = 100

/** One of each way to the database: a batch, Prisma, a loader, a list, a function of a migration. */
const OPERATIONS = [
  '{ checkpoint(userId: "writer-0") { version liveSession { sessionId } } }',
  '{ user(userId: "alice") { userId checkpoints { version } sessions { nodes { status checkpoint { version } } } } }',
  `{ node(id: "${Buffer.from('User:alice').toString('base64')}") { id } }`,
  '{ sessions { totalCount nodes { status resumedFrom { sessionId } } } }',
  '{ checkpointHistory(userId: "writer-1", first: 5) { totalCount nodes { version session { status } } } }',
  '{ resumePlan(userId: "alice") { mode previousSession { status } } }',
  'mutation { startSession(input: { userId: "alice", takeover: true }) { __typename } }',
  'mutation { registerUser(input: { userId: "bob" }) { __typename } }',
  'mutation { clearCheckpoint(input: { userId: "bob" }) { __typename } }',
]

let database: TestDatabase
let server: ServerProcess
beforeAll(async () => {
  database = await createTestDatabase()
  server = await startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

it(
  `a random backend terminated every ${EVERY_MS} ms for ${SECONDS} s: the server lives, every error is retriable and coded, no save is lost`,
  { timeout: 900_000 },
  async () => {
    const client = clientOf(server.url)
    for (const userId of ['alice', ...KeyedWriters.users()]) await mutate(client, 'registerUser', { userId })
    const { sessions } = await client.ask('{ sessions(first: 1) { feedCursor } }')
    using feed = watchLive(server.url, 'checkpointChanged', { after: sessions.feedCursor as string })
    const writers = new KeyedWriters(() => server.url)
    const answers = new Map<string, number>()
    let over = false
    const readers = OPERATIONS.map(async (query) => {
      while (!over) {
        const { errors } = await client.send(query)
        for (const code of errors?.map(({ extensions }) => extensions.code) ?? ['answered']) {
          answers.set(code, (answers.get(code) ?? 0) + 1)
        }
        await delay(10)
      }
    })
    let terminated = 0
    await withClient(database.url, async (psql) => {
      const until = performance.now() + SECONDS * 1_000
      while (performance.now() < until) {
        const { rowCount } = await psql.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE 'waymark%' ORDER BY random() LIMIT 1`,
        )
        terminated += rowCount ?? 0
        await delay(EVERY_MS)
      }
    })
    await writers.goOn()
    await writers.stop()
    over = true
    await Promise.all(readers)

    expect(server.child.exitCode).toBeNull()
    expect(terminated).toBeGreaterThan(SECONDS)
    const codes = [...writers.failures.keys(), ...answers.keys()].filter((code) => code !== 'answered')
    expect(codes.filter((code) => !RETRIABLE.includes(code))).toEqual([])
    await expectEachSavedOnce(database.url, writers)
    // The stream that was open all the time was told of every one of them.
    await expect.poll(() => feed.told.filter(isOfWriter).length, { timeout: 20_000 }).toBe(writers.count)
    expect(feed.code).toBeUndefined()
    expect(server.lines.join('\n')).not.toContain('unexpected error')
    const failed = [...writers.failures.values()].reduce((sum, count) => sum + count, 0)
    const reads = [...answers].map(([code, count]) => `${count} ${code}`).join(', ')
    tell(
      `fault 3: ${terminated} backends terminated in ${SECONDS} s: ${writers.count} saves acknowledged, ${failed} told to try again; other operations: ${reads}`,
    )
  },
)

function isOfWriter({ userId }: { userId: string }): boolean {
  return userId.startsWith('writer-')
}
