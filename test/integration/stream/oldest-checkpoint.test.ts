import { describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

const STREAM = 'reddit/saved'

describe('Stream.oldestCheckpoint', () => {
  const crawls = setUpCrawls()
  const { run } = crawls
  const other = async () => {
    const userId = `${crawls.userId}-other`
    await run('registerUser', { userId })
    return userId
  }
  const save = (userId: string, stream: string, crawledAt: string) =>
    run('saveCheckpoint', { userId, stream, itemId: stream === STREAM ? 't3_a' : '20', crawledAt })
  async function oldest(stream: string) {
    const { streams } = await crawls.waymark.ask('{ streams { name oldestCheckpoint { userId lastCrawledAt } } }')
    return streams.find(({ name }: { name: string }) => name === stream).oldestCheckpoint as {
      userId: string
      lastCrawledAt: string
    }
  }

  it.each(['twitter/bookmarks', STREAM])('follows a crawl that completed with nothing new: %s', async (stream) => {
    // The others of this file are older than neither.
    await crawls.waymark.database.query('DELETE FROM crawler.crawl_checkpoint')
    const userId = await other()
    await save(crawls.userId, stream, '2026-01-01T00:00:00Z')
    await save(userId, stream, '2026-01-02T00:00:00Z')
    expect(await oldest(stream)).toMatchObject({ userId: crawls.userId })
    const complete = async (of: string, how: 'completeSession' | 'stopSession') => {
      const started = await run('startSession', { userId: of, stream })
      await run(how, { sessionId: started['session'].sessionId })
    }
    // Only a crawl that reached its end has crawled the list.
    await complete(crawls.userId, 'stopSession')
    expect(await oldest(stream)).toEqual({ userId: crawls.userId, lastCrawledAt: '2026-01-01T00:00:00.000Z' })
    await complete(crawls.userId, 'completeSession')
    expect(await oldest(stream)).toEqual({ userId, lastCrawledAt: '2026-01-02T00:00:00.000Z' })
    // Also where it was complete already.
    await complete(userId, 'completeSession')
    expect(await oldest(stream)).toMatchObject({ userId: crawls.userId })
    await complete(crawls.userId, 'completeSession')
    expect(await oldest(stream)).toMatchObject({ userId })
  })
})
