import { setTimeout as delay } from 'node:timers/promises'
import { createClient as createSocketClient } from 'graphql-ws'
import { createClient } from 'graphql-sse'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { createKey, revokeKey } from '../../../src/access/keys.ts'
import type { Database } from '../../../src/database/database.ts'
import { decodeFeedCursor } from '../../../src/events/cursor.ts'
import { localOperator, type Scope } from '../../../src/identity/principal.ts'
import { openQuietDatabase } from '../../support/quiet-database.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'

interface Told {
  readonly codes: string[]
  readonly events: { readonly userId: string; readonly cursor: string }[]
}

const WATCH = 'subscription ($after: String) { told: checkpointChanged(after: $after) { userId cursor } }'

describe('with AUTHENTICATION=keys', () => {
  let waymark: TestWaymark
  let database: Database
  let clients = 0
  beforeAll(async () => {
    waymark = await startWaymark({ AUTHENTICATION: 'keys' })
    database = openQuietDatabase(waymark.database.url)
    await waymark.database.query(`INSERT INTO public."user" VALUES ('ours'), ('theirs')`)
  })
  afterAll(async () => {
    await database.close()
    await waymark[Symbol.asyncDispose]()
  })

  async function makeKey(scopes: readonly Scope[], userIds?: readonly string[], lifeMs?: number) {
    const now = new Date()
    const expiresAt = lifeMs === undefined ? undefined : new Date(now.getTime() + lifeMs)
    const created = await createKey(
      database,
      localOperator,
      { client: `client-${(clients += 1)}`, scopes, userIds, expiresAt },
      now,
    )
    if (created instanceof Error) throw created
    return created
  }

  async function post(query: string, key?: string) {
    const response = await fetch(waymark.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ query }),
    })
    const { data, errors } = (await response.json()) as { data?: any; errors?: any[] }
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      data,
      code: errors?.[0].extensions.code as string,
    }
  }

  const save = (userId: string, itemId: string, key: string) =>
    post(`mutation { saveCheckpoint(input: { userId: "${userId}", itemId: "${itemId}" }) { __typename } }`, key)

  function watch(transport: 'SSE' | 'WebSocket', key: string, after?: string) {
    const told: Told = { codes: [], events: [] }
    let over = false
    const client =
      transport === 'SSE'
        ? createClient({ url: waymark.url, retryAttempts: 0, headers: { authorization: `Bearer ${key}` } })
        : createSocketClient({
            url: waymark.url.replace('http', 'ws'),
            webSocketImpl: WebSocket,
            retryAttempts: 0,
            connectionParams: { authorization: `Bearer ${key}` },
          })
    client.subscribe<{ told: Told['events'][number] }>(
      { query: WATCH, variables: { after } },
      {
        next: ({ data, errors }) => {
          if (data) told.events.push(data.told)
          told.codes.push(...(errors ?? []).map(({ extensions }) => String(extensions?.['code'])))
        },
        error: (error) => {
          told.codes.push(String((error as { code?: unknown }).code ?? error))
          over = true
        },
        complete: () => (over = true),
      },
    )
    return { told, isOver: () => over, close: () => client.dispose() }
  }

  /** A list's feedCursor is where the feed has read to: what a test before has just written would be told after it. */
  async function feedHasReadAll(): Promise<void> {
    const { text } = await makeKey(['read'])
    const [row] = await waymark.database.query<{ last: string | null }>(
      'SELECT max(event_id) AS last FROM crawler.feed_event',
    )
    const position = async () => {
      const { data } = await post('{ checkpoints { feedCursor } }', text)
      return decodeFeedCursor(data.checkpoints.feedCursor as string)?.eventId ?? -1n
    }
    await expect.poll(async () => (await position()) >= BigInt(row?.last ?? 0), { timeout: 10_000 }).toBe(true)
  }

  it('answers nobody who shows nothing or what is no key, over HTTP with 401 and a challenge, and reads nothing of what they ask', async () => {
    for (const key of [undefined, 'x', 'wm_0000000000000_0000000000000000000000000000000000000000000']) {
      expect(await post('{ nonsense', key)).toMatchObject({
        status: 401,
        challenge: 'Bearer',
        code: 'UNAUTHENTICATED',
        data: undefined,
      })
    }
    expect((await fetch(new URL('/health', waymark.url))).status).toBe(200)
  })

  it('closes a WebSocket that shows no key with 4401, and an event stream with 401', async () => {
    for (const transport of ['SSE', 'WebSocket'] as const) {
      const watching = watch(transport, 'nothing')
      await expect.poll(watching.isOver, { timeout: 10_000 }).toBe(true)
      expect(watching.told.events).toEqual([])
      expect(watching.told.codes[0]).toMatch(/4401|NetworkError|401|UNAUTHENTICATED/i)
      await watching.close()
    }
  })

  it('tells a caller who it is, and lets it do what its scopes say', async () => {
    const { text } = await makeKey(['read'], ['ours'], 60_000)
    expect((await post('{ viewer { subject scopes userIds expiresAt } }', text)).data).toEqual({
      viewer: {
        subject: `key:client-${clients}`,
        scopes: ['read'],
        userIds: ['ours'],
        expiresAt: expect.any(String) as string,
      },
    })
    expect((await save('ours', '20', text)).code).toBe('FORBIDDEN')
    const { text: crawler } = await makeKey(['crawl'])
    expect((await save('ours', '20', crawler)).data.saveCheckpoint.__typename).toBe('SaveCheckpointSuccess')
    expect((await post('{ users { totalCount } }', crawler)).code).toBe('FORBIDDEN')
    expect((await post('{ node(id: "VXNlcjpvdXJz") { id } }', crawler)).code).toBe('FORBIDDEN')
    const [revision] = await waymark.database.query(
      `SELECT actor FROM crawler.checkpoint_revision WHERE user_id = 'ours'`,
    )
    expect(revision).toEqual({ actor: `key:client-${clients}` })
  })

  it('lets a crawler clear with its own session only', async () => {
    const { text } = await makeKey(['crawl'])
    const clear = (more: string) =>
      post(`mutation { clearCheckpoint(input: { userId: "ours" ${more} }) { __typename } }`, text)
    const { data } = await post(
      'mutation { startSession(input: { userId: "ours", takeover: true }) { ... on StartSessionSuccess { session { sessionId } } } }',
      text,
    )
    expect((await clear('')).code).toBe('FORBIDDEN')
    expect(
      (await clear(`sessionId: "${data.startSession.session.sessionId as string}"`)).data.clearCheckpoint.__typename,
    ).toBe('ClearCheckpointSuccess')
    await post(
      `mutation { stopSession(input: { sessionId: "${data.startSession.session.sessionId as string}" }) { __typename } }`,
      text,
    )
  })

  it.each(['SSE', 'WebSocket'] as const)(
    'tells a bound watcher of its users only, over %s, also after its sealed cursor',
    async (transport) => {
      const { text: everybody } = await makeKey(['read', 'crawl'])
      const { text: bound } = await makeKey(['read'], ['ours'])
      await feedHasReadAll()
      const { data } = await post('{ checkpoints { feedCursor } }', bound)
      await save('theirs', '30', everybody)
      await save('ours', transport === 'SSE' ? '31' : '33', everybody)
      const again = await post('{ checkpoints { feedCursor } }', bound)
      expect(again.data.checkpoints.feedCursor).not.toEqual(data.checkpoints.feedCursor)
      expect(Buffer.from(data.checkpoints.feedCursor as string, 'base64url').toString()).not.toMatch(/:\d+$/)
      const watching = watch(transport, bound, data.checkpoints.feedCursor as string)
      await expect.poll(() => watching.told.events.length, { timeout: 10_000 }).toBe(1)
      await save('theirs', transport === 'SSE' ? '32' : '34', everybody)
      await save('ours', transport === 'SSE' ? '35' : '36', everybody)
      await expect.poll(() => watching.told.events.length, { timeout: 10_000 }).toBe(2)
      expect(watching.told.events.map(({ userId }) => userId)).toEqual(['ours', 'ours'])
      // Another's cursor is none here.
      const plain = await post('{ checkpoints { feedCursor } }', everybody)
      const other = watch(transport, bound, plain.data.checkpoints.feedCursor as string)
      await expect.poll(() => other.told.codes.length + Number(other.isOver()), { timeout: 10_000 }).toBeGreaterThan(0)
      expect(other.told.events).toEqual([])
      await watching.close()
      await other.close()
    },
  )

  it('tells two bound watchers and one of everybody the same event, each with a cursor of its own that the others cannot use', async () => {
    const { text: everybody } = await makeKey(['read', 'crawl'])
    const keys = [(await makeKey(['read'], ['ours'])).text, (await makeKey(['read'], ['ours'])).text, everybody]
    const after = async (key: string) =>
      (await post('{ checkpoints { feedCursor } }', key)).data.checkpoints.feedCursor as string
    await feedHasReadAll()
    // At once and by one document: what a result could be shared by.
    const watching = await Promise.all(keys.map(async (key) => watch('SSE', key, await after(key))))
    await save('ours', '40', everybody)
    await save('theirs', '41', everybody)
    await save('ours', '42', everybody)
    const users = () => watching.map(({ told }) => told.events.map(({ userId }) => userId))
    const all = { timeout: 10_000 }
    await expect.poll(users, all).toEqual([
      ['ours', 'ours'],
      ['ours', 'ours'],
      ['ours', 'theirs', 'ours'],
    ])
    const firsts = watching.map(({ told }) => told.events[0]?.cursor ?? '')
    expect(new Set(firsts).size).toBe(3)
    const names = (cursor: string) => /^[0-9a-f-]{36}:\d+:[\w-]{8}$/.test(Buffer.from(cursor, 'base64url').toString())
    expect(firsts.map(names)).toEqual([false, false, true])

    const [sealed = '', , plain = ''] = firsts
    const resumed = [watch('SSE', keys[0] ?? '', sealed), watch('SSE', everybody, plain)]
    await expect
      .poll(() => resumed.map(({ told }) => told.events.map(({ userId }) => userId)), all)
      .toEqual([['ours'], ['theirs', 'ours']])
    const swapped = [watch('SSE', everybody, sealed), watch('SSE', keys[0] ?? '', plain)]
    await expect
      .poll(() => swapped.map(({ told }) => told.codes), all)
      .toEqual([['BAD_USER_INPUT'], ['BAD_USER_INPUT']])
    for (const watcher of [...watching, ...resumed, ...swapped]) await watcher.close()
  })

  // Side by side from here on: each waits for the end of a key of its own.
  it.concurrent.for(['SSE', 'WebSocket'] as const)(
    'ends a stream over %s when its key expires, and says why',
    async (transport, { expect }) => {
      const { text } = await makeKey(['read'], undefined, 3_000)
      const watching = watch(transport, text)
      await expect.poll(watching.isOver, { timeout: 15_000 }).toBe(true)
      expect(watching.told.codes).toEqual(['UNAUTHENTICATED'])
      expect((await post('{ viewer { subject } }', text)).status).toBe(401)
      await watching.close()
    },
  )

  it.concurrent(
    'ends a stream at the expiry that its key has then, a later or an earlier one than at the start',
    { timeout: 60_000 },
    async ({ expect }) => {
      const { text, keyId } = await makeKey(['read', 'crawl'], undefined, 3_000)
      const expireIn = (interval: string) =>
        waymark.database.query('UPDATE crawler.api_key SET expires_at = now() + $2::interval WHERE key_id = $1', [
          keyId,
          interval,
        ])
      const watching = (['SSE', 'WebSocket'] as const).map((transport) => watch(transport, text))
      await post('{ viewer { subject } }', text)
      await expireIn('1 hour')
      await delay(4_000)
      expect((await save('ours', '50', text)).data.saveCheckpoint.__typename).toBe('SaveCheckpointSuccess')
      await expect.poll(() => watching.map(({ told }) => told.events.length), { timeout: 10_000 }).toEqual([1, 1])
      expect(watching.map(({ isOver }) => isOver())).toEqual([false, false])
      await expireIn('1 second')
      await expect.poll(() => watching.every(({ isOver }) => isOver()), { timeout: 30_000, interval: 100 }).toBe(true)
      expect(watching.map(({ told }) => told.codes)).toEqual([['UNAUTHENTICATED'], ['UNAUTHENTICATED']])
      for (const { close } of watching) await close()
    },
  )

  it.concurrent(
    'ends streams over both within 30 s of a revocation, and takes the key no more',
    { timeout: 60_000 },
    async ({ expect }) => {
      const { text, keyId } = await makeKey(['read'])
      const watching = (['SSE', 'WebSocket'] as const).map((transport) => watch(transport, text))
      expect((await post('{ viewer { subject } }', text)).status).toBe(200)
      await revokeKey(database, localOperator, keyId)
      await expect.poll(() => watching.every(({ isOver }) => isOver()), { timeout: 30_000, interval: 100 }).toBe(true)
      expect(watching.map(({ told }) => told.codes)).toEqual([['UNAUTHENTICATED'], ['UNAUTHENTICATED']])
      expect((await post('{ viewer { subject } }', text)).status).toBe(401)
      for (const { close } of watching) await close()
    },
  )

  it.concurrent.for([
    ['users', `user_ids = ARRAY['theirs']`],
    ['scopes', `scopes = ARRAY['crawl']`],
  ] as const)(
    'ends the streams of a key whose %s have changed within 30 s, over event streams and WebSocket',
    { timeout: 60_000 },
    async ([_what, change], { expect }) => {
      const { text, keyId } = await makeKey(['read'], ['ours'])
      const { text: other } = await makeKey(['read'])
      const watching = (['SSE', 'WebSocket'] as const).map((transport) => watch(transport, text))
      const unchanged = watch('SSE', other)
      expect((await post('{ viewer { subject } }', text)).status).toBe(200)
      await waymark.database.query(`UPDATE crawler.api_key SET ${change} WHERE key_id = $1`, [keyId])
      await expect.poll(() => watching.every(({ isOver }) => isOver()), { timeout: 30_000, interval: 100 }).toBe(true)
      expect(watching.map(({ told }) => told.codes)).toEqual([['UNAUTHENTICATED'], ['UNAUTHENTICATED']])
      expect(unchanged.isOver()).toBe(false)
      for (const { close } of [...watching, unchanged]) await close()
    },
  )
})

describe('without authentication, on a loopback address', () => {
  it('serves whoever asks for this machine by a name of its own, and no page that found it by another', async () => {
    await using waymark = await startWaymark()
    const { port } = new URL(waymark.url)
    const ask = async (host: string) => {
      const { request } = await import('node:http')
      return new Promise<number>((resolve, reject) => {
        const sent = request(
          {
            port,
            host: '127.0.0.1',
            path: '/graphql',
            method: 'POST',
            headers: { host, 'content-type': 'application/json' },
          },
          (response) => {
            response.resume()
            resolve(response.statusCode ?? 0)
          },
        )
        sent.on('error', reject)
        sent.end(JSON.stringify({ query: '{ viewer { subject } }' }))
      })
    }
    for (const name of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST'])
      expect(await ask(`${name}:${port}`), name).toBe(200)
    for (const host of [
      'rebound.example.org',
      `rebound.example.org:${port}`,
      'localhost',
      'localhost:1',
      `127.0.0.1.example.org:${port}`,
    ]) {
      expect(await ask(host), host).toBe(421)
    }
    const socket = new WebSocket(waymark.url.replace('http', 'ws'), 'graphql-transport-ws', {
      headers: { host: `rebound.example.org:${port}` },
    })
    const refused = await new Promise<number | undefined>((resolve) => {
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
      socket.on('error', () => undefined)
    })
    expect(refused).toBe(421)
    socket.terminate()
  })
})
