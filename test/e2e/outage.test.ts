import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts'

// PostgreSQL is stopped, killed and frozen, and each answer may take the 5 s that the server promises.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const promisedMs = 5_000

const operations = {
  'a checkpoint': '{ checkpoint(userId: "alice") { lastItemId } }',
  'a user, whom Prisma reads': '{ user(userId: "alice") { userId sessions { nodes { status } } } }',
  'a node, which Prisma reads': `{ node(id: "${Buffer.from('User:alice').toString('base64')}") { id } }`,
  'a list': '{ sessions { totalCount nodes { status } } }',
  statistics: '{ sessionStats { total } }',
  registerUser: 'mutation { registerUser(input: { userId: "bob" }) { __typename } }',
  startSession: 'mutation { startSession(input: { userId: "alice" }) { __typename } }',
  heartbeat: 'mutation { heartbeat(input: { sessionId: "s1", bookmarksProcessed: 1 }) { __typename } }',
  completeSession: 'mutation { completeSession(input: { sessionId: "s1" }) { __typename } }',
  saveCheckpoint:
    'mutation { saveCheckpoint(input: { userId: "alice", itemId: "20", bookmarksCount: 1 }) { __typename } }',
  'saveCheckpoint of a session':
    'mutation { saveCheckpoint(input: { userId: "alice", itemId: "20", sessionId: "s1" }) { __typename } }',
  clearCheckpoint: 'mutation { clearCheckpoint(input: { userId: "carol" }) { __typename } }',
}

/** Sends an operation; fails if the answer takes longer than promised. */
async function ask(server: ServerProcess, query: string) {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
    signal: AbortSignal.timeout(promisedMs),
  })
  const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] }
  return errors?.map(({ extensions }) => extensions.code)
}

/** OVERLOADED where it was not even sent, because those before it got no answer. */
const unavailable = expect.toSatisfy(
  (codes) => ['SERVICE_UNAVAILABLE', 'OVERLOADED'].includes(String(codes)),
  'SERVICE_UNAVAILABLE or OVERLOADED',
) as unknown

function probe(server: ServerProcess, path: '/ready' | '/health') {
  return fetch(new URL(path, server.url), { signal: AbortSignal.timeout(promisedMs) }).then(({ status }) => status)
}

/** Watches sessions over SSE, as text, until disposed. */
async function watch(server: ServerProcess) {
  const leave = new AbortController()
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { sessionStatusChanged { sessionId kind } }' }),
    signal: leave.signal,
  })
  let text = ''
  const decoder = new TextDecoder()
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
  })().catch(() => undefined)
  return {
    text: () => text,
    [Symbol.asyncDispose]: () => {
      leave.abort()
      return reading
    },
  }
}

describe.each<[string, (postgres: OwnPostgres) => Promise<void>, (postgres: OwnPostgres) => Promise<void>]>([
  ['was stopped', (postgres) => postgres.stop(), (postgres) => postgres.start()],
  ['was killed with -9', (postgres) => postgres.kill(), (postgres) => postgres.start()],
  ['is frozen, connections and all (needs Linux)', (postgres) => postgres.freeze(), (postgres) => postgres.thaw()],
])('while the database %s', (how, takeAway, bringBack) => {
  const isPossible = process.platform === 'linux' || !how.includes('frozen')
  let postgres: OwnPostgres
  let server: ServerProcess

  beforeAll(async () => {
    postgres = await startOwnPostgres()
    server = await startServer({ DATABASE_URL: postgres.url, LOG_LEVEL: 'info' })
    await mutate(clientOf(server.url), 'registerUser', { userId: 'alice' })
    await mutate(clientOf(server.url), 'startSession', { userId: 'alice', sessionId: 's1' })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await postgres[Symbol.asyncDispose]()
  })

  it.runIf(isPossible)(
    'every operation answers SERVICE_UNAVAILABLE or OVERLOADED in 5 s, and all is well once it is back',
    async () => {
      await using feed = await watch(server)
      const queries = Object.values(operations)
      // As many at once as the pool has connections, and more: it is full of connections that break.
      // Again while a busy machine refuses some of them.
      const all = () => Promise.all([...queries, ...queries].map((query) => ask(server, query).catch(() => ['late'])))
      await expect.poll(async () => (await all()).flatMap((codes) => codes ?? []), { timeout: 30_000 }).toEqual([])
      await takeAway(postgres)

      const answers = Object.entries(operations).map(async ([name, query]) => [name, await ask(server, query)] as const)
      expect(Object.fromEntries(await Promise.all(answers))).toEqual(
        Object.fromEntries(Object.keys(operations).map((name) => [name, unavailable])),
      )
      // One after the other now, so that nobody else's failure tells the server: none of these waits behind the one before.
      const saves: Promise<unknown>[] = []
      for (let second = 0; second < 6; second += 1) {
        saves.push(expect(ask(server, operations.saveCheckpoint), `save ${second}`).resolves.toEqual(unavailable))
        await new Promise((resolve) => setTimeout(resolve, 900))
      }
      await Promise.all(saves)
      expect(await probe(server, '/ready')).toBe(503)
      expect(await probe(server, '/health')).toBe(200)

      await bringBack(postgres)
      await expect.poll(() => probe(server, '/ready'), { timeout: 30_000 }).toBe(200)
      await expect.poll(() => ask(server, operations.saveCheckpoint), { timeout: 30_000 }).toBeUndefined()
      for (const query of queries) expect(await ask(server, query), query).toBeUndefined()
      const start = { userId: 'alice', sessionId: 'after the outage', takeover: true }
      expect(await mutate(clientOf(server.url), 'startSession', start)).toMatchObject({
        session: { status: 'RUNNING' },
      })
      await expect.poll(() => feed.text(), { timeout: 30_000 }).toContain('"after the outage"')
      await using late = await watch(server)
      await mutate(clientOf(server.url), 'stopSession', { sessionId: 'after the outage' })
      await expect.poll(() => late.text(), { timeout: 30_000 }).toContain('STATUS_CHANGED')

      // The log tells of the outage, and of nothing that is in the database or opens it.
      const log = server.lines.join('\n')
      expect(log).toMatch(/"level":40/)
      expect(log).not.toMatch(/alice|secretKey|"password"/)
      expect(log).not.toContain(new URL(postgres.url).password)
    },
  )

  it.runIf(isPossible)('SIGTERM still ends the server in 10 s with code 0', async () => {
    await Promise.all(Array.from({ length: 20 }, () => ask(server, operations['a list'])))
    await takeAway(postgres)
    const save = ask(server, operations.saveCheckpoint).catch(() => undefined)
    server.child.kill('SIGTERM')
    const patience = new AbortController()
    const outcome = await Promise.race([
      server.exited,
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve('still there after 10 s'), 10_000)
        patience.signal.addEventListener('abort', () => clearTimeout(timer))
      }),
    ])
    patience.abort()
    await save
    expect(outcome).toEqual({ code: 0, signal: null })
  })
})
