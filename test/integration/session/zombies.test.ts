import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'
import { statementsWaitingForLocks, withClient } from '../../support/database.ts'
import type { MutationResult } from '../../support/waymark.ts'

const STREAM = 'twitter/bookmarks'
const TWO_DAYS_SECONDS = 2 * 86_400

describe('a crawler that has lost its stream without knowing', () => {
  const crawls = setUpCrawls()
  const { run, start, startId, save, saveAll } = crawls

  /** Everything that a write could change. */
  async function everything(): Promise<unknown[]> {
    const tables = ['crawl_checkpoint', 'crawl_state', 'crawl_session', 'checkpoint_revision', 'idempotency_key']
    const reading = tables.map((table) =>
      crawls.waymark.database.query(`SELECT * FROM crawler.${table} t WHERE user_id = $1 ORDER BY t::text`, [
        crawls.userId,
      ]),
    )
    return Promise.all(reading)
  }

  /** Each operation by which a session writes, as its zombie would send it. */
  const writes: Record<string, (sessionId: string) => Promise<MutationResult>> = {
    saveCheckpoint: (sessionId) => save({ sessionId, stream: STREAM, itemId: '66', idempotencyKey: 'zombie' }),
    'saveCheckpoint without a stream': (sessionId) => save({ sessionId, itemId: '66' }),
    saveCheckpoints: async (sessionId) => {
      const [result] = await saveAll([{ sessionId, stream: STREAM, itemId: '66' }])
      return result ?? expect.fail('no answer')
    },
    heartbeat: (sessionId) => run('heartbeat', { sessionId, bookmarksProcessed: 66, metrics: { apiRequests: 6 } }),
    completeSession: (sessionId) => run('completeSession', { sessionId, bookmarksProcessed: 66 }),
    stopSession: (sessionId) => run('stopSession', { sessionId, bookmarksProcessed: 66 }),
    // A takeover has failed it already, and that again is no change.
    failSession: (sessionId) => run('failSession', { sessionId, bookmarksProcessed: 66, errorMessage: 'zombie' }),
    clearCheckpoint: (sessionId) => run('clearCheckpoint', { userId: crawls.userId, sessionId }),
  }
  const names = Object.keys(writes)
  const write = (name: string, sessionId: string) => writes[name]?.(sessionId) ?? expect.fail(name)

  describe('whose session was pruned', () => {
    const startPruned = async () => {
      const sessionId = await startId({ leaseSeconds: 5 })
      await save({ sessionId })
      await crawls.clock.advance(TWO_DAYS_SECONDS)
      const next = await startId()
      await crawls.clock.advance(TWO_DAYS_SECONDS)
      await crawls.reap()
      const input = { userId: crawls.userId, completedBefore: '9999-01-01T00:00:00Z' }
      expect(await run('pruneSessions', input)).toMatchObject({ count: 1 })
      return { sessionId, next }
    }

    it.each(names)('is told SESSION_NOT_FOUND by %s, and changes nothing', async (name) => {
      const { sessionId } = await startPruned()
      const before = await everything()
      expect(await write(name, sessionId)).toMatchObject({ code: 'SESSION_NOT_FOUND' })
      expect(await everything()).toEqual(before)
    })

    it('finds the epoch where it was, whatever was pruned and cleared: the next is higher', async () => {
      const { next } = await startPruned()
      await run('failSession', { sessionId: next, errorMessage: 'x' })
      await crawls.clock.advance(TWO_DAYS_SECONDS)
      expect(await run('clearCheckpoint', { userId: crawls.userId })).toMatchObject({ cleared: true })
      const input = { userId: crawls.userId, completedBefore: '9999-01-01T00:00:00Z' }
      expect(await run('pruneSessions', input)).toMatchObject({ count: 1 })
      const sessions = 'SELECT FROM crawler.crawl_session WHERE user_id = $1'
      expect(await crawls.waymark.database.query(sessions, [crawls.userId])).toEqual([])
      expect((await start())['session']).toMatchObject({ epoch: 3, attempt: 1 })
      expect(await save({ sessionId: next })).toMatchObject({ code: 'SESSION_NOT_FOUND' })
    })
  })

  it('changes nothing in a set of saves whose neighbours of other streams are written', async () => {
    const streams = ['twitter/likes', 'twitter/lists', 'reddit/saved']
    const sessions = await Promise.all(streams.map((stream) => startId({ stream })))
    const zombie = await startId()
    await save({ sessionId: zombie, itemId: '20', bookmarksAdded: 1 })
    await startId({ takeover: true })
    const before = await crawls.checkpoint()
    const neighbours = streams.map((stream, n) => {
      const itemId = stream.startsWith('reddit') ? 't3_abc' : '30'
      return { stream, sessionId: sessions[n], itemId, bookmarksAdded: 2, idempotencyKey: `n${n}` }
    })
    const late = { stream: STREAM, sessionId: zombie, itemId: '66', bookmarksAdded: 5, idempotencyKey: 'z' }
    const results = await saveAll([neighbours[0] ?? {}, late, neighbours[1] ?? {}, late, neighbours[2] ?? {}])
    expect(results.map(({ code }) => code)).toEqual([undefined, 'STALE_EPOCH', undefined, 'STALE_EPOCH', undefined])
    expect(await crawls.checkpoint()).toEqual(before)
    expect(
      await crawls.waymark.database.query(
        `SELECT stream, bookmarks_count FROM crawler.crawl_checkpoint WHERE user_id = $1 AND stream <> $2 ORDER BY stream`,
        [crawls.userId, STREAM],
      ),
    ).toEqual(streams.toSorted().map((stream) => ({ stream, bookmarks_count: 2 })))
    expect(
      await crawls.waymark.database.query('SELECT key FROM crawler.idempotency_key WHERE user_id = $1 ORDER BY key', [
        crawls.userId,
      ]),
    ).toEqual([{ key: 'n0' }, { key: 'n1' }, { key: 'n2' }])
  })

  describe('while its write waits for the rows that a takeover holds', () => {
    /** What the takeover of the stream and a write of the old session are told, the write having waited for the takeover to commit. */
    async function overtake(sessionId: string, late: () => Promise<MutationResult>) {
      return withClient(crawls.waymark.database.url, async (client) => {
        await client.query('BEGIN')
        await client.query('SELECT FROM crawler.crawl_state WHERE user_id = $1 FOR UPDATE', [crawls.userId])
        const taking = start({ takeover: true })
        await statementsWaitingForLocks(client, 1)
        const writing = late()
        await statementsWaitingForLocks(client, 2)
        await client.query('COMMIT')
        const taken = (await taking)['session'] as { sessionId: string }
        return { taken, told: await writing, zombie: await crawls.session(sessionId) }
      })
    }

    it.each(names)('is judged by the new epoch: %s', async (name) => {
      const sessionId = await startId()
      await save({ sessionId, bookmarksAdded: 1 })
      const before = await crawls.checkpoint()
      const { taken, told, zombie } = await overtake(sessionId, () => write(name, sessionId))
      const expected = name === 'failSession' ? { __typename: 'EndSessionSuccess' } : { code: 'STALE_EPOCH' }
      expect(told).toMatchObject(expected)
      expect(zombie).toMatchObject({ status: 'FAILED', endReason: 'TAKEN_OVER', bookmarksProcessed: 1, apiRequests: 0 })
      expect(await crawls.checkpoint()).toEqual(before)
      expect(await crawls.session(taken.sessionId)).toMatchObject({ status: 'RUNNING', epoch: 2 })
    })

    it.each(['rollbackCheckpoint', 'clearCheckpoint', 'saveCheckpoint'] as const)(
      'is told who owns the stream where it named no session: %s',
      async (name) => {
        const sessionId = await startId()
        await save({ sessionId, itemId: '20' })
        await save({ sessionId, itemId: '21' })
        await run('stopSession', { sessionId })
        const before = await crawls.checkpoint()
        const more = { rollbackCheckpoint: { toVersion: 1 }, clearCheckpoint: {}, saveCheckpoint: { itemId: '66' } }
        const { taken, told } = await overtake(sessionId, () =>
          run(name, { userId: crawls.userId, stream: STREAM, ...more[name] }),
        )
        expect(told).toMatchObject({ code: 'STREAM_BUSY', owner: { sessionId: taken.sessionId } })
        expect(await crawls.checkpoint()).toEqual(before)
      },
    )
  })
})
