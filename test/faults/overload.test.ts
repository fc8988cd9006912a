import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, statementsWaitingForLocks, type TestDatabase, withClient } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { allowedMs, seconds } from './rounds.ts'

const CALLERS = 200
const POOL_SIZE = 5
const HELD_MS = 2_000
const ANSWERED_MS = allowedMs(3_000)
const HEALTHY_MS = 1_000

const save = (n: number) => `mutation { saveCheckpoint(input: { userId: "u${n}", itemId: "20" }) { __typename } }`
/** What crawlers and dashboards ask, in turn. */
const asked = [
  save,
  () => '{ sessions(first: 5) { nodes { status checkpoint { lastItemId } } } }',
  (n: number) => `mutation { startSession(input: { userId: "u${n}" }) { __typename } }`,
  (n: number) => `{ checkpoint(userId: "u${n}") { lastItemId } }`,
  (n: number) => `mutation { heartbeat(input: { sessionId: "s${n}", bookmarksProcessed: 1 }) { __typename } }`,
]

interface Answer {
  readonly code: string
  readonly status: number
  readonly retryAfter: string | null
  readonly retryAfterSeconds: unknown
  readonly ms: number
}

async function ask(server: ServerProcess, query: string): Promise<Answer> {
  const since = performance.now()
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  })
  const { errors } = (await response.json()) as { errors?: { extensions: Record<string, unknown> }[] }
  const { code = 'ok', retryAfterSeconds } = errors?.[0]?.extensions ?? {}
  const ms = performance.now() - since
  const { status, headers } = response
  return { code: String(code), status, retryAfter: headers.get('retry-after'), retryAfterSeconds, ms }
}

const everybody = (server: ServerProcess, query: (n: number) => string) =>
  Promise.all(Array.from({ length: CALLERS }, (_, n) => ask(server, query(n))))

/** Nobody was left hanging, and whoever was refused knows when to come again. */
function expectAnswered(answers: readonly Answer[]): void {
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(ANSWERED_MS)
  const refused = answers.filter(({ code }) => code !== 'ok')
  const told = { status: 503, retryAfter: '1', retryAfterSeconds: 1 }
  for (const answer of refused) expect(answer).toMatchObject(told)
  expect([...new Set(refused.map(({ code }) => code))].filter((code) => !RETRIABLE.includes(code))).toEqual([])
}

const RETRIABLE = ['OVERLOADED', 'SERVICE_UNAVAILABLE']

/** As well as before: every kind of operation, and the server says so. */
async function expectHealthy(server: ServerProcess): Promise<void> {
  const answers = await Promise.all(asked.map((query) => ask(server, query(0))))
  expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 'ok'))
  expect((await fetch(new URL('/ready', server.url))).status).toBe(200)
}

const title = `fault 6: a pool of ${POOL_SIZE}, ${CALLERS} callers, a lock held ${HELD_MS / 1_000} s`
describe(title, { timeout: 60_000 }, () => {
  let database: TestDatabase
  let server: ServerProcess
  beforeAll(async () => {
    database = await createTestDatabase()
    server = await startServer({
      ...{ DATABASE_URL: database.url, DATABASE_POOL_SIZE: String(POOL_SIZE), LOG_LEVEL: 'info' },
    })
    await database.query(`INSERT INTO public."user" (id) SELECT 'u' || n FROM generate_series(0, ${CALLERS - 1}) n`)
    await mutate(clientOf(server.url), 'startSession', { userId: 'u0', sessionId: 's0' })
    // So that every connection is open, and every document known.
    await everybody(server, (n) => asked[n % asked.length]?.(n) ?? '')
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it(`on whole tables: all are answered within ${seconds(ANSWERED_MS)}, most of them OVERLOADED, and 1 s after it all is well`, async () => {
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.crawl_checkpoint, crawler.crawl_session IN ACCESS EXCLUSIVE MODE')
      const answering = everybody(server, (n) => asked[n % asked.length]?.(n) ?? '')
      await delay(HELD_MS)
      await client.query('ROLLBACK')
      const released = performance.now()
      const answers = await answering
      expectAnswered(answers)
      expect(answers.filter(({ code }) => code === 'OVERLOADED').length).toBeGreaterThan(CALLERS / 2)
      await delay(released + HEALTHY_MS - performance.now())
      await expectHealthy(server)
    })
    const [line = ''] = server.lines.filter((text) => text.includes('some requests are refused with OVERLOADED'))
    expect(JSON.parse(line)).toMatchObject({
      level: 40,
      load: { waiting: { statements: expect.any(Number) as number } },
    })
  })

  it('on one row that all of them save: the same, and whoever saves another is not kept waiting', async () => {
    await withClient(database.url, async (client) => {
      await client.query(`BEGIN; SELECT FROM crawler.crawl_checkpoint WHERE user_id = 'u5' FOR UPDATE`)
      const answering = everybody(server, () => save(5))
      await statementsWaitingForLocks(client, 1)
      expect((await ask(server, save(10))).code).toBe('ok')
      expect(await (await fetch(new URL('/ready', server.url))).json()).toMatchObject({ status: 'ok' })
      await delay(HELD_MS)
      await client.query('ROLLBACK')
      const released = performance.now()
      expectAnswered(await answering)
      await delay(released + HEALTHY_MS - performance.now())
      await expectHealthy(server)
    })
  })

  it('for as long as it likes: nobody hangs, and the server is ready all the time', async () => {
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE crawler.crawl_checkpoint, crawler.crawl_session IN ACCESS EXCLUSIVE MODE')
      for (let wave = 0; wave < 2; wave += 1) {
        expectAnswered(await everybody(server, (n) => asked[(n + wave) % asked.length]?.(n) ?? ''))
        expect((await fetch(new URL('/ready', server.url))).status).toBe(200)
      }
      await client.query('ROLLBACK')
    })
    await expectHealthy(server)
  })
})
