import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LostError, Waymark } from '../../../clients/typescript/src/index.ts'
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
  await mutate(server, 'registerUser', { userId: `owner-${users}` })
  return `owner-${users}`
}

async function statusOf(sessionId: string): Promise<{ status: string; errorMessage: string | null }> {
  const query = 'query ($sessionId: String!) { session(sessionId: $sessionId) { status errorMessage } }'
  const { session } = await server.ask<{ session: { status: string; errorMessage: string | null } }>(query, {
    sessionId,
  })
  return session
}

describe('runSession', () => {
  it('completes the session when the function returns, and returns what it returns', async () => {
    const userId = await newUser()
    const sessionId = await waymark.runSession({ userId, stream: 'reddit/saved' }, async (session) => {
      expect(session.plan.mode).toBe('FULL')
      await session.save({ itemId: 't3_b', bookmarksAdded: 2, pageToken: 'p2', headItemIds: ['t3_c', 't3_b'] })
      return session.sessionId
    })
    expect(await statusOf(sessionId)).toEqual({ status: 'COMPLETED', errorMessage: null })
  })

  it('stops it where somebody asked for that', async () => {
    const userId = await newUser()
    const sessionId = await waymark.runSession({ userId }, async (session) => {
      const query = 'mutation ($input: RequestStopInput!) { requestStop(input: $input) { __typename } }'
      await server.ask(query, { input: { sessionId: session.sessionId } })
      await session.heartbeat()
      expect(session.stopRequested).toBe(true)
      return session.sessionId
    })
    expect(await statusOf(sessionId)).toEqual({ status: 'STOPPED', errorMessage: null })
  })

  it('fails it with the message of what the function throws, and throws that', async () => {
    const userId = await newUser()
    let sessionId = ''
    const running = waymark.runSession({ userId }, (session) => {
      sessionId = session.sessionId
      throw new TypeError('no such page')
    })
    await expect(running).rejects.toThrow(new TypeError('no such page'))
    expect(await statusOf(sessionId)).toEqual({ status: 'FAILED', errorMessage: 'no such page' })
  })

  it('ends nothing where another session has the list', async () => {
    const userId = await newUser()
    const running = waymark.runSession({ userId }, async (session) => {
      await waymark.startSession({ userId, takeover: true })
      await session.save({ itemId: '1868' })
    })
    await expect(running).rejects.toBeInstanceOf(LostError)
    await expect(running).rejects.toMatchObject({ code: 'STALE_EPOCH' })
  })
})

describe('a session that is disposed', () => {
  it('is stopped, unless it has ended', async () => {
    const userId = await newUser()
    const ids: string[] = []
    {
      await using session = await waymark.startSession({ userId })
      ids.push(session.sessionId)
    }
    {
      await using session = await waymark.startSession({ userId })
      await session.complete()
      ids.push(session.sessionId)
    }
    const statuses = await Promise.all(ids.map(async (id) => (await statusOf(id)).status))
    expect(statuses).toEqual(['STOPPED', 'COMPLETED'])
  })
})

describe('a CheckpointManager', () => {
  it('keeps the count where none is given, plans, rolls back and lists the history', async () => {
    const manager = waymark.checkpointManager(await newUser())
    expect([await manager.getCheckpoint(), await manager.getLastTweetId()]).toEqual([null, null])
    expect(await manager.saveCheckpoint('1868', 50)).toMatchObject({ lastItemId: '1868', bookmarksCount: 50 })
    expect(await manager.saveCheckpoint('1867')).toMatchObject({ lastItemId: '1867', bookmarksCount: 50 })
    expect(await manager.plan()).toMatchObject({ mode: 'RESUME', afterItemId: '1867' })
    const shown = await manager.rollback({ toVersion: 1, dryRun: true })
    expect([shown.checkpoint?.lastItemId, shown.revision]).toEqual(['1868', null])
    expect(await manager.getLastTweetId()).toBe('1867')
    const { checkpoint, revision } = await manager.rollback({ toVersion: 1 })
    expect([checkpoint?.lastItemId, revision?.version]).toEqual(['1868', 3])
    const sources: string[] = []
    for await (const { source } of manager.history()) sources.push(source)
    expect(sources).toEqual(['ROLLBACK', 'SAVE', 'SAVE'])
  })

  it('tells whether there was a checkpoint to clear, also where the answer of the clear is lost', async () => {
    const recorder = new Recorder()
    const cut = new Waymark({ url: server.url, fetch: recorder.fetch })
    recorder.after = (name, response) => {
      if (name === 'ClearCheckpoint' && recorder.count(name) === 1) throw new TypeError('the connection was cut')
      return response
    }
    const manager = cut.checkpointManager(await newUser())
    await manager.saveCheckpoint('1868')
    expect(await manager.clearCheckpoint()).toBe(true)
    expect(recorder.count('ClearCheckpoint')).toBe(2)
    expect(await manager.clearCheckpoint()).toBe(false)
  })
})
