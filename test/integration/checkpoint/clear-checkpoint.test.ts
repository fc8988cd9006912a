import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

describe('clearCheckpoint', () => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId: 'alice' })
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  it('forgets the checkpoint and says what it was; the next session begins at the beginning', async () => {
    const saved = await mutate(waymark, 'saveCheckpoint', { userId: 'alice', itemId: '20', bookmarksCount: 3 })
    await mutate(waymark, 'saveCheckpoint', { userId: 'alice', stream: 'reddit/saved', itemId: 't3_a' })
    expect(await mutate(waymark, 'clearCheckpoint', { userId: 'alice' })).toEqual({
      __typename: 'ClearCheckpointSuccess',
      cleared: true,
      lastItemId: '20',
      nodeId: saved['checkpoint'].id,
    })
    const started = await mutate(waymark, 'startSession', { userId: 'alice' })
    expect(started['checkpoint']).toBeNull()
    await mutate(waymark, 'stopSession', { sessionId: started['session'].sessionId })
    expect(await waymark.database.query('SELECT stream FROM crawler.crawl_checkpoint')).toEqual([
      { stream: 'reddit/saved' },
    ])
  })

  it('finds nothing to clear, which is no error, also for an unknown user', async () => {
    const nothing = { __typename: 'ClearCheckpointSuccess', cleared: false, lastItemId: null, nodeId: null }
    expect(await mutate(waymark, 'clearCheckpoint', { userId: 'alice', stream: null })).toEqual(nothing)
    expect(await mutate(waymark, 'clearCheckpoint', { userId: 'nobody' })).toEqual(nothing)
  })

  it('refuses malformed keys', async () => {
    const refused = await mutate(waymark, 'clearCheckpoint', { userId: 'a\0', stream: 'nope' })
    expect(refused.issues?.map(({ path }) => path)).toEqual([
      ['input', 'userId'],
      ['input', 'stream'],
    ])
  })
})
