import type { Client } from '@urql/core'
import type { Client as SocketClient } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type ClientsWorld,
  expectToFollow,
  SESSION_CHANGES,
  type SessionChanges,
  startClientsWorld,
} from './clients-world.ts'

interface Exports {
  readonly client: Client
  readonly socket: SocketClient
}

const CHECKPOINT = 'query ($userId: String!) { checkpoint(userId: $userId) { id lastItemId } }'
const SAVE = `mutation ($input: SaveCheckpointInput!) {
  saveCheckpoint(input: $input) {
    ... on SaveCheckpointSuccess { checkpoint { id lastItemId } }
    ... on UserError { code message } } }`
const alice = { userId: 'alice' }

describe('urql, as docs/clients.md sets it up', () => {
  let world: ClientsWorld
  const load = (name: string) => world.project.load<Exports>(name)
  beforeAll(async () => {
    world = await startClientsWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())
  afterEach(() => vi.restoreAllMocks())

  function follow({ client }: Exports, sessionId: string): Promise<void> {
    return expectToFollow(world, sessionId, (after, { onChange, onError }) => {
      const subscription = client
        .subscription<SessionChanges>(SESSION_CHANGES, { after })
        .subscribe(({ data, error }) => {
          if (error) onError(error)
          else if (data) onChange(data.sessionStatusChanged)
        })
      return () => subscription.unsubscribe()
    })
  }

  it('reads by GET, saves by POST', async () => {
    const methods = vi.spyOn(globalThis, 'fetch')
    const { client } = await load('urql.ts')
    const read = await client.query(CHECKPOINT, alice)
    expect(read.error).toBeUndefined()
    expect(read.data).toMatchObject({ checkpoint: { lastItemId: '20' } })
    const saved = await client.mutation(SAVE, { input: { ...alice, itemId: '21' } })
    expect(saved.data).toMatchObject({ saveCheckpoint: { checkpoint: { lastItemId: '21' } } })
    expect(methods.mock.calls.map(([, init]) => init?.method)).toEqual(['GET', 'POST'])
  })

  it('reads by POST what is too long for a URL', async () => {
    const methods = vi.spyOn(globalThis, 'fetch')
    const { client } = await load('urql.ts')
    const fields = Array.from(
      { length: 20 },
      (_, n) => `a${n}: checkpoint(userId: "alice") { id lastItemId updatedAt bookmarksCount }`,
    )
    const { data, error } = await client.query(`{ ${fields.join(' ')} }`, {})
    expect(error).toBeUndefined()
    expect(Object.keys(data)).toHaveLength(20)
    expect(methods.mock.calls.map(([, init]) => init?.method)).toEqual(['POST'])
  })

  it('follows the sessions over event streams', async () => {
    await follow(await load('urql.ts'), 'urql-streams')
  })

  it('follows the sessions over a WebSocket', async () => {
    const exports = await load('urql-websocket.ts')
    await follow(exports, 'urql-socket')
    await exports.socket.dispose()
  })

  it('with hashes in place of texts: sends texts where the server has no persisted operations', async () => {
    const requests = vi.spyOn(globalThis, 'fetch')
    const { client } = await load('urql-persisted.ts')
    const { data, error } = await client.query(CHECKPOINT, alice)
    expect(error?.message).toBeUndefined()
    expect(data).toMatchObject({ checkpoint: { lastItemId: '21' } })
    expect(requests.mock.calls.map(([, init]) => init?.method)).toEqual(['GET', 'GET'])
  })

  describe('with graphcache', () => {
    const SESSIONS = `query ($after: String) {
      sessions(first: 2, after: $after, orderBy: STARTED_AT_ASC) {
        totalCount nodes { id sessionId } edges { cursor node { id sessionId } } pageInfo { hasNextPage endCursor } }
      sessionStats { total }
      viewer { subject }
      resumePlan(userId: "alice") { mode previousSession { id } } }`

    it('knows every type: warns of none, and joins pages', async () => {
      const warned = vi.spyOn(console, 'warn').mockReturnValue()
      const errors = vi.spyOn(console, 'error').mockReturnValue()
      const { client } = await load('urql-graphcache.ts')
      const first = await client.query(SESSIONS, {})
      expect(first.error).toBeUndefined()
      const second = await client.query(SESSIONS, { after: first.data.sessions.pageInfo.endCursor })
      const sessionIds = (second.data.sessions.edges as { node: { sessionId: string } }[]).map(
        ({ node }) => node.sessionId,
      )
      expect(sessionIds.slice(0, 3)).toEqual(['s1', 's2', 's3'])
      expect([...warned.mock.calls, ...errors.mock.calls]).toEqual([])
    })

    it('shows what was saved wherever it is shown, and has the code of a refusal', async () => {
      const { client } = await load('urql-graphcache.ts')
      const shown: unknown[] = []
      const watching = client.query(CHECKPOINT, alice).subscribe(({ data }) => shown.push(data?.checkpoint?.lastItemId))
      await expect.poll(() => shown).toHaveLength(1)
      await client.mutation(SAVE, { input: { ...alice, itemId: '22' } })
      await expect.poll(() => shown.at(-1)).toBe('22')
      watching.unsubscribe()
      const refused = await client.mutation(SAVE, { input: { userId: 'nobody', itemId: '22' } })
      expect(refused.data).toMatchObject({ saveCheckpoint: { code: 'USER_NOT_FOUND' } })
    })
  })
})
