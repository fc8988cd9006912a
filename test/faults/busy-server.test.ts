import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { until } from '../integration/http/http-support.ts'
import { openSocket, type RawSocket } from '../integration/http/socket-client.ts'
import { type Told, transports } from '../integration/http/transports.ts'

let database: TestDatabase
let server: ServerProcess
let socket: RawSocket
beforeAll(async () => {
  database = await createTestDatabase()
  server = await startServer({
    ...{ DATABASE_URL: database.url, LOG_LEVEL: 'info' },
    NODE_OPTIONS: `--import=${fileURLToPath(new URL('../support/blocked-loop.mjs', import.meta.url))}`,
  })
  socket = await openSocket({ url: server.url })
})
afterAll(async () => {
  socket.socket.terminate()
  await server[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

let registered = 0
async function register(ask: (query: string) => Promise<Told>) {
  const userId = `user-${(registered += 1)}`
  const told = await ask(`mutation { registerUser(input: { userId: "${userId}" }) { __typename } }`)
  return { userId, told, code: told.errors?.[0]?.extensions['code'] }
}

/** By an operation over a socket that was open before. */
async function overOpenSocket(query: string): Promise<Told> {
  const id = `operation-${registered}`
  socket.subscribe(id, query)
  const about = () => socket.messages.find((message) => message.id === id)
  await until(() => {
    expect(about()).toBeDefined()
  })
  const { type, payload } = about() ?? {}
  return (type === 'error' ? { errors: payload as unknown } : payload) as Told
}

async function closeCodeOfNewSocket(): Promise<number | undefined> {
  const opened = await openSocket({ url: server.url }, { init: false })
  opened.send({ type: 'connection_init' })
  const acknowledged = until(() => {
    expect(opened.messages).toHaveLength(1)
  }).then(() => undefined)
  const code = await Promise.race([opened.closed.then((close) => close.code), acknowledged])
  acknowledged.catch(() => undefined)
  opened.socket.terminate()
  return code
}

const ways: Record<string, (query: string) => Promise<Told>> = {
  HTTP: (query) => transports.HTTP(server.url, query),
  SSE: (query) => transports.SSE(server.url, query),
  WebSocket: overOpenSocket,
}

it(
  'a server whose event loop comes to nothing answers what is new OVERLOADED, over each transport, begins none of it, and is well after',
  { timeout: 120_000 },
  async () => {
    const answers: (Awaited<ReturnType<typeof register>> & { way: string })[] = []
    const refusedBy = () => new Set(answers.filter(({ code }) => code === 'OVERLOADED').map(({ way }) => way))
    let closeCode: number | undefined
    server.child.kill('SIGUSR2')
    try {
      for (let round = 0; round < 10 && (refusedBy().size < 3 || closeCode === undefined); round += 1) {
        const asked = Object.entries(ways).map(async ([way, ask]) => answers.push({ way, ...(await register(ask)) }))
        const [code] = await Promise.all([closeCodeOfNewSocket(), ...asked])
        closeCode ??= code
      }
    } finally {
      server.child.kill('SIGUSR2')
    }
    expect([...refusedBy()].toSorted()).toEqual(Object.keys(ways).toSorted())
    expect(closeCode).toBe(1013)
    const refused = answers.filter(({ code }) => code === 'OVERLOADED')
    for (const { way, told } of refused) {
      expect(told.data ?? null).toBeNull()
      expect(told.errors?.[0]?.extensions).toMatchObject({ code: 'OVERLOADED', retryAfterSeconds: 1 })
      if (way !== 'WebSocket') expect(told).toMatchObject({ status: 503, retryAfter: '1' })
    }
    // What was begun may come to its deadline while the loop is blocked; it tells so.
    expect([undefined, 'OVERLOADED', 'SERVICE_UNAVAILABLE']).toEqual(
      expect.arrayContaining([...new Set(answers.map(({ code }) => code))]),
    )

    const wellAgain = { timeout: 10_000 }
    for (const ask of Object.values(ways))
      await expect.poll(async () => (await register(ask)).code, wellAgain).toBeUndefined()
    const isShedding = async () =>
      ((await (await fetch(new URL('/ready', server.url))).json()) as { load: { isShedding: boolean } }).load.isShedding
    await expect.poll(isShedding, wellAgain).toBe(false)
    await expect.poll(() => server.lines.join('\n'), wellAgain).toContain('some requests are refused with OVERLOADED')
    const stored = await database.query<{ id: string }>('SELECT id FROM public."user"')
    const ids = new Set(stored.map(({ id }) => id))
    expect(refused.filter(({ userId }) => ids.has(userId))).toEqual([])
    expect(answers.filter(({ code, userId }) => code === undefined && !ids.has(userId))).toEqual([])
  },
)
