import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  BusyError,
  ForbiddenError,
  InvalidInputError,
  LostError,
  OrderViolationError,
  PausedError,
  UnauthenticatedError,
  UnavailableError,
  VersionConflictError,
  Waymark,
  WaymarkError,
} from '../../../clients/typescript/src/index.ts'
import { findFreePort } from '../../support/free-port.ts'
import { keyedCaller } from '../../support/keyed-callers.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { Recorder } from './recorder.ts'

let server: TestWaymark
let waymark: Waymark
let users = 0
beforeAll(async () => {
  server = await startWaymark()
  waymark = new Waymark({ url: server.url })
})
afterAll(() => server[Symbol.asyncDispose]())

async function newUser(): Promise<string> {
  users += 1
  await mutate(server, 'registerUser', { userId: `caller-${users}` })
  return `caller-${users}`
}

/** A server with keys, which serves any name; a key for crawlers, and a client for operators. */
async function startGuarded() {
  const guarded = await startWaymark({ AUTHENTICATION: 'keys' })
  const crawler = await keyedCaller(guarded, ['read', 'crawl'])
  const operator = await keyedCaller(guarded, ['read', 'operate'])
  return { ...guarded, key: crawler.authorization.replace('Bearer ', ''), operator }
}

const VIEW = 'query { viewer { subject } }'
const SAVE = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }`
const fault = (code: string, extensions: object = {}) =>
  Response.json(
    { errors: [{ message: code, extensions: { code, ...extensions } }] },
    { headers: { 'x-request-id': 'request-7' } },
  )

describe('request', () => {
  it('sends texts and parsed documents, and returns data', async () => {
    const query = 'query ($userId: String!) { checkpoint(userId: $userId) { lastItemId } }'
    expect(await waymark.request(query, { userId: 'nobody' })).toEqual({ checkpoint: null })
    expect(await waymark.request(parse(query), { userId: 'nobody' })).toEqual({ checkpoint: null })
    await expect(waymark.request(parse(query, { noLocation: true }))).rejects.toThrow('does not know its text')
  })

  it.each([
    ['a network error', () => Promise.reject(new TypeError('fetch failed'))],
    ['HTTP 502', () => new Response('<html>', { status: 502 })],
    ['HTTP 503', () => new Response('', { status: 503 })],
    ['HTTP 504', () => new Response('', { status: 504 })],
    ['an answer that was cut off', () => new Response('{"data":{"view')],
    ['OVERLOADED', () => fault('OVERLOADED', { retryAfterSeconds: 0 })],
    ['SERVICE_UNAVAILABLE', () => fault('SERVICE_UNAVAILABLE', { retryAfterSeconds: 0 })],
    ['RATE_LIMITED', () => fault('RATE_LIMITED', { retryAfterSeconds: 0 })],
  ])('repeats after %s', async (_, answer) => {
    let count = 0
    const fetch: typeof globalThis.fetch = async (...call) => ((count += 1) <= 2 ? answer() : globalThis.fetch(...call))
    expect(await new Waymark({ url: server.url, fetch }).request(VIEW)).toHaveProperty('viewer')
    expect(count).toBe(3)
  })

  it('waits for as long as the server asks, and gives up at once where that is beyond the budget', async () => {
    const times: number[] = []
    const ask = (retryAfterSeconds: number, budgetMs: number) => {
      times.length = 0
      const fetch: typeof globalThis.fetch = async (...call) => {
        times.push(performance.now())
        return times.length === 1 ? fault('RATE_LIMITED', { retryAfterSeconds }) : globalThis.fetch(...call)
      }
      return new Waymark({ url: server.url, fetch, retry: { budgetMs } }).request(VIEW)
    }
    await ask(1, 60_000)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(990)
    await expect(ask(20, 10_000)).rejects.toMatchObject({ code: 'RATE_LIMITED', mayHaveWritten: false })
    expect(times).toHaveLength(1)
  })

  it('never repeats a save that adds and has no key, and repeats every other write', async () => {
    const userId = await newUser()
    const ask = async (input: object, text = SAVE) => {
      const recorder = new Recorder()
      recorder.before = (_, count) => {
        if (count === 1) throw new TypeError('fetch failed')
      }
      const client = new Waymark({ url: server.url, fetch: recorder.fetch })
      const failed = await client.request(text, { input }).then(
        () => undefined,
        (error: unknown) => error,
      )
      return { failed, count: recorder.sent.length }
    }
    const save = { userId, itemId: '1790000000000000007' }
    const refused = await ask({ ...save, bookmarksAdded: 1 })
    expect(refused).toMatchObject({ count: 1, failed: { mayHaveWritten: true, code: 'NETWORK_ERROR' } })
    expect(refused.failed).toBeInstanceOf(UnavailableError)
    const many = 'mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { __typename } }'
    const client = new Waymark({ url: server.url, fetch: () => Promise.reject(new TypeError('fetch failed')) })
    await expect(client.request(many, { inputs: [{ ...save, bookmarksAdded: 1 }] })).rejects.not.toThrow('tried')
    const inline = `mutation { saveCheckpoint(input: { userId: "${userId}", itemId: "1", bookmarksAdded: 1 }) { __typename } }`
    expect((await ask({}, inline)).count).toBe(1)
    expect(await ask({ ...save, bookmarksAdded: 1, idempotencyKey: 'page-1' })).toEqual({ failed: undefined, count: 2 })
    expect(await ask({ ...save, bookmarksCount: 1 })).toEqual({ failed: undefined, count: 2 })
  })

  it('saves once where the answer of the write is lost', async () => {
    const userId = await newUser()
    await using guarded = await startGuarded()
    await mutate(guarded.operator, 'registerUser', { userId })
    await using proxy = await startTcpProxy(Number(new URL(guarded.url).port))
    const client = new Waymark({ url: `http://127.0.0.1:${proxy.port}/graphql`, key: guarded.key })
    await using session = await client.startSession({ userId })
    const lost = proxy.loseAnswer(
      (sent) => sent.includes('SavePage'),
      (held) => held.includes('stopRequested'),
    )
    expect(await session.save({ itemId: '1790000000000000007', bookmarksAdded: 3 })).toMatchObject({ replayed: true })
    await lost
    expect(await client.checkpointManager(userId).getCheckpoint()).toMatchObject({ bookmarksCount: 3, version: 1 })
  })

  it('ends each request after its timeout', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/graphql`
    const client = new Waymark({ url, timeoutMs: 50, retry: { budgetMs: 300 } })
    try {
      const failed = client.request('mutation { clearCheckpoint(input: { userId: "a" }) { __typename } }')
      await expect(failed).rejects.toMatchObject({ name: 'UnavailableError', code: 'TIMEOUT', mayHaveWritten: true })
      await expect(client.request(VIEW, {}, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
        name: 'TimeoutError',
      })
    } finally {
      silent.closeAllConnections()
      silent.close()
    }
  })

  it('knows that nothing was written where nothing listens', async () => {
    const client = new Waymark({ url: `http://127.0.0.1:${await findFreePort()}/graphql`, retry: { budgetMs: 0 } })
    const error: unknown = await client.request(SAVE, { input: {} }).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'NETWORK_ERROR', mayHaveWritten: false })
  })

  it('shows the key in no error and nowhere in itself', async () => {
    const key = 'wm_secret-key-of-mine'
    const said: string[] = []
    const tell = (value: unknown) => said.push(inspect(value, { depth: 10, showHidden: true }), JSON.stringify(value))
    const failing: (typeof globalThis.fetch)[] = [
      () => Promise.reject(new TypeError(`bad header Bearer ${key}`, { cause: new Error(key) })),
      () => Promise.resolve(fault('FORBIDDEN', { seen: key })),
      () => Promise.resolve(Response.json({ errors: [{ message: `no ${key}`, extensions: { code: 'FORBIDDEN' } }] })),
    ]
    for (const fetch of failing) {
      const client = new Waymark({ url: server.url, key, fetch, retry: { budgetMs: 0 } })
      tell(client)
      tell(client.checkpointManager('alice'))
      tell(await client.request(VIEW).catch((error: unknown) => error))
      tell(
        await client
          .follow('sessions')
          .next()
          .catch((error: unknown) => error),
      )
      tell(
        await client
          .follow('sessions', { after: 'a' })
          .next()
          .catch((error: unknown) => error),
      )
    }
    expect(() => new Waymark({ url: server.url, key: `${key}\n` })).toThrow(InvalidInputError)
    for (const wrong of [{ key: `${key}\n` }, { url: `http://user:${key}@127.0.0.1/` }, { url: `http//${key}` }])
      try {
        new Waymark({ url: server.url, ...wrong })
      } catch (error) {
        tell(error)
      }
    expect(said.length).toBeGreaterThan(20)
    expect(said.filter((text) => text.includes(key))).toEqual([])
  })

  it('takes its address and key from the environment', async () => {
    const before = { ...process.env }
    try {
      Object.assign(process.env, { WAYMARK_URL: server.url, WAYMARK_KEY: 'from-the-environment' })
      const recorder = new Recorder()
      await new Waymark({ fetch: recorder.fetch }).request(VIEW)
      expect(recorder.sent[0]?.headers.get('authorization')).toBe('Bearer from-the-environment')
    } finally {
      process.env = before
    }
  })
})

describe('errors', () => {
  it('names each refusal, and what is known of it', async () => {
    const userId = await newUser()
    const stream = 'reddit/saved'
    const manager = waymark.checkpointManager(userId, { stream })
    const failureOf = (act: Promise<unknown>): Promise<unknown> =>
      act.then(
        () => undefined,
        (error: unknown) => error,
      )

    const invalid = await failureOf(manager.saveCheckpoint('no reddit ID'))
    expect(invalid).toBeInstanceOf(InvalidInputError)
    expect(invalid).toMatchObject({ code: 'INVALID_INPUT', issues: [{ path: ['input', 'itemId'] }] })
    expect(await failureOf(waymark.request('query { nothing }'))).toMatchObject({
      name: 'InvalidInputError',
      code: 'BAD_USER_INPUT',
    })
    expect(await failureOf(waymark.checkpointManager('nobody').saveCheckpoint('1'))).toMatchObject({
      name: 'WaymarkError',
      code: 'USER_NOT_FOUND',
    })
    const session = await waymark.startSession({ userId, stream, worker: 'pod-7' })
    const busy = await failureOf(waymark.startSession({ userId, stream }))
    expect(busy).toBeInstanceOf(BusyError)
    expect(busy).toMatchObject({
      code: 'STREAM_BUSY',
      owner: { sessionId: session.sessionId, worker: 'pod-7', startedAt: expect.any(Date) },
      retryAt: expect.any(Date),
    })
    expect(await failureOf(manager.saveCheckpoint('t3_1'))).toBeInstanceOf(BusyError)
    const until = new Date(Date.now() + 3_600_000)
    await session.pause(until, 'maintenance')
    await session.complete()
    const paused = await failureOf(waymark.startSession({ userId, stream }))
    expect(paused).toBeInstanceOf(PausedError)
    expect(paused).toMatchObject({ code: 'STREAM_PAUSED', until, reason: 'maintenance' })
    const closed = await failureOf(session.save({ itemId: 't3_1' }))
    expect(closed).toBeInstanceOf(LostError)
    expect(closed).toMatchObject({ code: 'SESSION_CLOSED', endReason: 'REPORTED' })
    expect(session.signal.reason).toBe(closed)
    const conflict = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) {
      ... on VersionConflictError { code message currentVersion } } }`
    expect(
      await waymark.request(conflict, { input: { userId, stream, itemId: 't3_1', expectedVersion: 7 } }),
    ).toMatchObject({
      saveCheckpoint: { code: 'VERSION_CONFLICT' },
    })
  })

  it('knows an item below the stored one, another version, and a session that was taken over', async () => {
    const userId = await newUser()
    await server.ask(
      `mutation { configureStream(input: { name: "mastodon/saved", ordering: ASCENDING }) { __typename } }`,
    )
    const manager = waymark.checkpointManager(userId, { stream: 'mastodon/saved' })
    await manager.saveCheckpoint('20')
    const below: unknown = await manager.saveCheckpoint('10').catch((error: unknown) => error)
    expect(below).toBeInstanceOf(OrderViolationError)
    expect(below).toMatchObject({ code: 'ORDER_VIOLATION', lastItemId: '20' })
    const conflict: unknown = await manager
      .rollback({ toVersion: 1, expectedVersion: 9 })
      .catch((error: unknown) => error)
    expect(conflict).toBeInstanceOf(VersionConflictError)
    expect(conflict).toMatchObject({ code: 'VERSION_CONFLICT', currentVersion: 1 })
    const first = await waymark.startSession({ userId })
    await using second = await waymark.startSession({ userId, takeover: true })
    await expect(first.heartbeat()).rejects.toMatchObject({ name: 'LostError', code: 'STALE_EPOCH' })
    expect(second.plan.mode).toBe('FULL')
  })

  it('names what the server says of the caller, with the ID of the request', async () => {
    await using guarded = await startGuarded()
    const failureOf = (key: string, text: string) =>
      new Waymark({ url: guarded.url, key }).request(text).catch((error: unknown) => error)
    const prune = 'mutation { pruneSessions(input: { completedBefore: "2026-01-01T00:00:00Z" }) { __typename } }'
    expect(await failureOf('wrong', VIEW)).toBeInstanceOf(UnauthenticatedError)
    expect(await failureOf('', VIEW)).toMatchObject({ code: 'UNAUTHENTICATED', requestId: expect.any(String) })
    expect(await failureOf(guarded.key, prune)).toBeInstanceOf(ForbiddenError)
    expect(await failureOf(guarded.key, prune)).toMatchObject({ code: 'FORBIDDEN', requestId: expect.any(String) })
    const answers: [string, typeof WaymarkError][] = [['INTERNAL_SERVER_ERROR', WaymarkError]]
    for (const [code, type] of answers) {
      const client = new Waymark({ url: server.url, fetch: () => Promise.resolve(fault(code)) })
      const error: unknown = await client.request(VIEW).catch((failure: unknown) => failure)
      expect(error).toBeInstanceOf(type)
      expect(error).toMatchObject({ code, requestId: 'request-7' })
    }
    const page = new Waymark({ url: server.url, fetch: () => Promise.resolve(new Response('<html>', { status: 404 })) })
    await expect(page.request(VIEW)).rejects.toMatchObject({ code: 'HTTP_404' })
  })
})
