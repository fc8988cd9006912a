import { describe, expect, it } from 'vitest'
import { type Plan, setUpCrawls } from '../../support/crawls.ts'
import { statementsWaitingForLocks, withClient } from '../../support/database.ts'

describe('the plan of the next crawl', () => {
  const crawls = setUpCrawls()
  const { run, plan, checkpoint } = crawls
  const start = async (input: Record<string, unknown> = {}) => {
    const started = await crawls.start(input)
    expect(started.__typename).toBe('StartSessionSuccess')
    return { sessionId: started['session'].sessionId as string, plan: started['plan'] as Plan }
  }
  const startId = async (input: Record<string, unknown> = {}) => (await start(input)).sessionId
  const save = async (input: Record<string, unknown>) => {
    const saved = await crawls.save(input)
    expect(saved).toMatchObject({ __typename: 'SaveCheckpointSuccess' })
    return saved['checkpoint'] as Record<string, unknown>
  }
  const end = async (operation: 'completeSession' | 'stopSession' | 'failSession', sessionId: string) => {
    const reason = operation === 'failSession' ? { errorMessage: 'HTTP 503' } : {}
    expect(await run(operation, { sessionId, ...reason })).toMatchObject({ __typename: 'EndSessionSuccess' })
  }
  const complete = (sessionId: string) => end('completeSession', sessionId)
  /** A crawl that has completed, with these as its anchors. */
  const crawled = async (headItemIds: readonly string[] = ['90', '80', '70']) => {
    const sessionId = await startId()
    await save({ sessionId, itemId: '20', headItemIds, bookmarksAdded: 300 })
    await complete(sessionId)
    return sessionId
  }

  describe('is FULL', () => {
    it('where there has been nothing yet', async () => {
      expect(await plan()).toEqual({
        mode: 'FULL',
        afterItemId: null,
        pageToken: null,
        untilItemIds: [],
        reason: 'there is no checkpoint and has been no session: crawl from the top to the end',
        previousSession: null,
      })
    })

    it('where the last session failed and had saved nothing, and says so', async () => {
      const sessionId = await startId()
      await end('failSession', sessionId)
      expect(await plan()).toMatchObject({
        mode: 'FULL',
        untilItemIds: [],
        reason: expect.stringMatching(
          /^there is no checkpoint: the last crawl failed at \d{4}-\d\d-\d\d \d\d:\d\d UTC after 0 bookmarks \(HTTP 503\)/,
        ) as string,
        previousSession: { sessionId },
      })
    })

    it('after a clear, which forgets position, token, head and anchors', async () => {
      const first = await crawled()
      await save({ itemId: '60', pageToken: 'p2' })
      expect(await run('clearCheckpoint', { userId: crawls.userId })).toMatchObject({ cleared: true })
      expect(await plan()).toMatchObject({
        mode: 'FULL',
        afterItemId: null,
        pageToken: null,
        untilItemIds: [],
        previousSession: { sessionId: first },
      })
      expect(await save({ itemId: '60' })).toMatchObject({ headItemIds: [], anchorItemIds: [], bookmarksCount: 0 })
    })

    it('after the row was deleted by another SQL client', async () => {
      await crawled()
      await crawls.waymark.database.query('DELETE FROM crawler.twitter_crawl_checkpoint WHERE user_id = $1', [
        crawls.userId,
      ])
      expect(await plan()).toMatchObject({ mode: 'FULL', untilItemIds: [] })
    })
  })

  describe('is RESUME', () => {
    it('with the token that was saved, and tells when and why the last crawl failed', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: '60', pageToken: 'p2', bookmarksAdded: 200, headItemIds: ['90', '80'] })
      await save({ sessionId, itemId: '50', pageToken: 'p3', bookmarksAdded: 140 })
      await end('failSession', sessionId)
      const told = await plan()
      expect(told).toMatchObject({
        mode: 'RESUME',
        afterItemId: '50',
        pageToken: 'p3',
        untilItemIds: [],
        previousSession: { sessionId },
      })
      expect(told.reason).toMatch(
        /^the last crawl failed at \d{4}-\d\d-\d\d \d\d:\d\d UTC after 340 bookmarks \(HTTP 503\), and the checkpoint stands at \d+; its page token is kept; carry on to the end$/,
      )
    })

    it('without a token after a save without one, which clears the stored one', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: '60', pageToken: 'p2' })
      await save({ sessionId, itemId: '50' })
      await end('stopSession', sessionId)
      const told = await plan()
      expect(told).toMatchObject({ mode: 'RESUME', afterItemId: '50', pageToken: null })
      expect(told.reason).toMatch(
        /^the last crawl was stopped at .*, and the checkpoint stands at \d+; no page token was saved: skip from the top/,
      )
    })

    it('until an anchor of the last complete crawl, where an incremental one was interrupted', async () => {
      await crawled(['90', '80', '70'])
      const sessionId = await startId()
      await save({ sessionId, itemId: '95', pageToken: 'p2', headItemIds: ['99', '98'] })
      await end('failSession', sessionId)
      expect(await plan()).toMatchObject({
        mode: 'RESUME',
        afterItemId: '95',
        pageToken: 'p2',
        untilItemIds: ['90', '80', '70'],
        reason: expect.stringMatching(/; carry on until an anchor is met$/) as string,
      })
    })

    it('while a crawl runs, and says that it has not ended', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: '60' })
      const told = await plan()
      expect(told).toMatchObject({ mode: 'RESUME', previousSession: { sessionId } })
      expect(told.reason).toMatch(/^the last crawl started at .* and has not ended/)
    })

    it('where the position was saved without any session', async () => {
      await save({ itemId: '60', bookmarksCount: 3 })
      expect(await plan()).toMatchObject({
        mode: 'RESUME',
        afterItemId: '60',
        reason: expect.stringMatching(/^the last crawl did not complete, and the checkpoint stands at \d+; /) as string,
        previousSession: null,
      })
    })

    it('from the checkpoint alone, also where the last session completed before another client wrote', async () => {
      await crawled()
      await save({ itemId: '60' })
      expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '60', untilItemIds: ['90', '80', '70'] })
    })
  })

  describe('is INCREMENTAL', () => {
    it('once a crawl has completed, until its head', async () => {
      const sessionId = await crawled(['90', '80', '70'])
      expect(await plan()).toEqual({
        mode: 'INCREMENTAL',
        afterItemId: null,
        pageToken: null,
        untilItemIds: ['90', '80', '70'],
        reason: 'the last crawl is complete at 300 bookmarks: crawl from the top until an anchor is met',
        previousSession: { sessionId },
      })
    })

    it('from the checkpoint alone, also where the last session failed before it saved anything', async () => {
      await crawled(['90', '80', '70'])
      const failed = await startId()
      await end('failSession', failed)
      expect(await plan()).toMatchObject({
        mode: 'INCREMENTAL',
        untilItemIds: ['90', '80', '70'],
        previousSession: { sessionId: failed },
      })
    })
  })

  describe('comes with startSession', () => {
    it('and is what resumePlan says, the session before being the previous one', async () => {
      const first = await start()
      expect(first.plan).toMatchObject({ mode: 'FULL', previousSession: null })
      await save({ sessionId: first.sessionId, itemId: '60', pageToken: 'p2' })
      await end('failSession', first.sessionId)
      const asked = await plan()
      const second = await start()
      expect(second.plan).toEqual(asked)
      expect(second.plan).toMatchObject({ mode: 'RESUME', previousSession: { sessionId: first.sessionId } })
    })

    it('of its own stream', async () => {
      await crawled()
      expect((await start({ stream: 'reddit/saved' })).plan).toMatchObject({ mode: 'FULL', previousSession: null })
      const asked = await crawls.waymark.ask(
        `query ($userId: String!) { resumePlan(userId: $userId, stream: "youtube/likes") { mode } }`,
        { userId: crawls.userId },
      )
      expect(asked.resumePlan).toEqual({ mode: 'FULL' })
    })

    it('again, with a start that is repeated under its key', async () => {
      await crawled(['90', '80'])
      const first = await start({ idempotencyKey: 'k' })
      expect(await start({ idempotencyKey: 'k' })).toEqual(first)
    })
  })

  it('is null for an unknown user', async () => {
    expect(await crawls.waymark.ask('{ resumePlan(userId: "nobody") { mode } }')).toEqual({ resumePlan: null })
  })

  it.each([
    ['userId', 'resumePlan(userId: "")'],
    ['userId', `resumePlan(userId: "${'x'.repeat(256)}")`],
    ['userId', 'resumePlan(userId: "a\\u0000")'],
    ['userId', `resumePlan(userId: "${Buffer.from('User:ada').toString('base64')}")`],
    ['stream', 'resumePlan(userId: "ada", stream: "bookmarks")'],
    ['stream', 'resumePlan(userId: "ada", stream: "Twitter/Bookmarks")'],
  ])('names the malformed %s of %.40s', async (argument, field) => {
    const { code, message } = await crawls.waymark.fail(`{ ${field} { mode } }`)
    expect(code).toBe('BAD_USER_INPUT')
    expect(message).toMatch(new RegExp(`^${argument} `))
  })

  describe('has as its anchors', () => {
    it('the head that the session told whose save made the checkpoint incomplete', async () => {
      const sessionId = await startId()
      expect(await save({ sessionId, itemId: '80' })).toMatchObject({ headItemIds: [] })
      expect(await save({ sessionId, itemId: '70', headItemIds: ['90', '80'] })).toMatchObject({
        headItemIds: ['90', '80'],
      })
      // Fewer than three: the head of the next page follows, whole and without repeats.
      expect(await save({ sessionId, itemId: '60', headItemIds: ['80', '70', '60'] })).toMatchObject({
        headItemIds: ['90', '80', '70', '60'],
      })
      expect(await save({ sessionId, itemId: '50', headItemIds: ['55', '50'] })).toMatchObject({
        headItemIds: ['90', '80', '70', '60'],
      })
      await complete(sessionId)
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['90', '80', '70', '60'] })
    })

    it('not the head of a session that resumes', async () => {
      const first = await startId()
      await save({ sessionId: first, itemId: '80', headItemIds: ['90', '80'] })
      await end('failSession', first)
      const second = await startId()
      const saved = await save({ sessionId: second, itemId: '60', headItemIds: ['99', '98'] })
      expect(saved).toMatchObject({ headItemIds: ['90', '80'] })
      await complete(second)
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['90', '80'] })
    })

    it('not the head of a session that resumes a crawl which told none', async () => {
      const first = await startId()
      await save({ sessionId: first, itemId: '80' })
      await end('failSession', first)
      const second = await startId()
      expect(await save({ sessionId: second, itemId: '60', headItemIds: ['99'] })).toMatchObject({ headItemIds: [] })
      await complete(second)
      expect(await checkpoint()).toMatchObject({ anchorItemIds: ['60'] })
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: [] })
    })

    it('not the head of a save without a session', async () => {
      expect(await save({ itemId: '60', headItemIds: ['90'] })).toMatchObject({ headItemIds: [] })
    })

    it('the last item where no head was told, and then none to stop at, since one alone proves nothing', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: '60' })
      await save({ sessionId, itemId: '61' })
      await complete(sessionId)
      expect(await checkpoint()).toMatchObject({ anchorItemIds: ['61'] })
      expect(await plan()).toMatchObject({
        mode: 'INCREMENTAL',
        untilItemIds: [],
        reason: expect.stringMatching(
          /: crawl from the top to the end, since fewer than two anchors are known$/,
        ) as string,
      })
    })

    it('what a session that saved nothing completes on an incomplete checkpoint', async () => {
      const first = await startId()
      await save({ sessionId: first, itemId: '80', pageToken: 'p2', headItemIds: ['90', '80'] })
      await end('stopSession', first)
      await complete(await startId())
      expect(await checkpoint()).toMatchObject({
        lastItemId: '80',
        complete: true,
        pageToken: null,
        headItemIds: [],
        anchorItemIds: ['90', '80'],
      })
    })

    it('the same as before where an incremental crawl found nothing', async () => {
      await crawled(['90', '80'])
      const before = await checkpoint()
      await crawls.clock.advance(60)
      await complete(await startId())
      expect(await checkpoint()).toEqual({
        ...before,
        lastCrawledAt: later(before['lastCrawledAt'], 60),
        lastCompletedAt: later(before['lastCompletedAt'], 60),
      })
    })

    it('the head of the newest crawl that completed', async () => {
      await crawled(['90', '80'])
      const sessionId = await startId()
      await save({ sessionId, itemId: '91', headItemIds: ['99', '91', '90'] })
      await complete(sessionId)
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['99', '91', '90'] })
    })

    it('the first session’s head after a crawl that was interrupted five times', async () => {
      for (let interruption = 1; interruption <= 5; interruption += 1) {
        const sessionId = await startId()
        const head = [String(100 + interruption), String(90 + interruption)]
        await save({ sessionId, itemId: String(60 - interruption), pageToken: `p${interruption}`, headItemIds: head })
        await end(interruption % 2 ? 'failSession' : 'stopSession', sessionId)
        expect(await plan()).toMatchObject({ mode: 'RESUME', pageToken: `p${interruption}`, untilItemIds: [] })
      }
      const last = await startId()
      await save({ sessionId: last, itemId: '20', headItemIds: ['200'] })
      await complete(last)
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['101', '91'] })
    })
  })

  describe('stays RESUME with all it had', () => {
    const interruptions = {
      'its session stops': async (sessionId: string) => end('stopSession', sessionId),
      'its session fails': async (sessionId: string) => end('failSession', sessionId),
      'its session expires': async (_sessionId: string) => {
        await crawls.clock.advance(61)
        await crawls.reap()
      },
      'its session is taken over': async (_sessionId: string) => {
        await startId({ takeover: true })
      },
    }
    it.each(Object.entries(interruptions))('when %s', async (_what, interrupt) => {
      await crawled(['90', '80'])
      const sessionId = await startId()
      await save({ sessionId, itemId: '95', pageToken: 'p2', headItemIds: ['99', '98'] })
      const before = await checkpoint()
      await interrupt(sessionId)
      expect(await checkpoint()).toEqual(before)
      expect(await plan()).toMatchObject({
        mode: 'RESUME',
        afterItemId: '95',
        pageToken: 'p2',
        untilItemIds: ['90', '80'],
      })
    })

    it('and calls an expired session failed, with the reason', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: '95', bookmarksAdded: 7 })
      await crawls.clock.advance(61)
      const { plan: told } = await start()
      expect(told.reason).toMatch(/^the last crawl failed at .* after 7 bookmarks \(lease expired\)/)
    })
  })

  describe('follows what another SQL client writes', () => {
    const update = (columns: string) =>
      crawls.waymark.database.query(`UPDATE crawler.twitter_crawl_checkpoint SET ${columns} WHERE user_id = $1`, [
        crawls.userId,
      ])

    it('to a complete checkpoint: a save without token and head', async () => {
      await crawled(['90', '80'])
      await update(`last_tweet_id = '85'`)
      expect(await checkpoint()).toMatchObject({ complete: false, pageToken: null, headItemIds: [] })
      expect(await plan()).toMatchObject({
        mode: 'RESUME',
        afterItemId: '85',
        pageToken: null,
        untilItemIds: ['90', '80'],
      })
      // Whoever resumes may not tell a head either.
      const sessionId = await startId()
      await save({ sessionId, itemId: '84', headItemIds: ['99'] })
      await complete(sessionId)
      expect(await checkpoint()).toMatchObject({ anchorItemIds: ['84'] })
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: [] })
    })

    it('to an incomplete one: the token is gone, the head stays', async () => {
      const sessionId = await startId()
      await save({ sessionId, itemId: '80', pageToken: 'p2', headItemIds: ['90', '80'] })
      await update(`last_tweet_id = '75'`)
      expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '75', pageToken: null })
      expect(await checkpoint()).toMatchObject({ headItemIds: ['90', '80'] })
      await complete(sessionId)
      expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: ['90', '80'] })
    })

    it('also where it changes only the count', async () => {
      await crawled(['90', '80'])
      await update('bookmarks_count = bookmarks_count + 1')
      expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '20', untilItemIds: ['90', '80'] })
    })

    it.each(['a session of Waymark', 'a session of another program'])(
      'as the first there is, just while the crawl is completed: %s',
      async (whose) => {
        const sessionId = whose === 'a session of Waymark' ? await startId() : `foreign-${crawls.userId}`
        await crawls.waymark.database.query(
          'INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING',
          [sessionId, crawls.userId],
        )
        await withClient(crawls.waymark.database.url, async (client) => {
          await client.query('BEGIN')
          await client.query(
            `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ($1, '75')`,
            [crawls.userId],
          )
          const completed = complete(sessionId)
          await statementsWaitingForLocks(client, 1)
          await client.query('COMMIT')
          await completed
        })
        expect(await plan()).toMatchObject({ mode: 'INCREMENTAL', untilItemIds: [] })
        expect(await checkpoint()).toMatchObject({ complete: true, anchorItemIds: ['75'] })
      },
    )

    it('as the first there is', async () => {
      await crawls.waymark.database.query(
        `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ($1, '75')`,
        [crawls.userId],
      )
      expect(await plan()).toMatchObject({ mode: 'RESUME', afterItemId: '75', pageToken: null, untilItemIds: [] })
    })
  })
})

/** A time that is at least some seconds after another, and less than a minute more. */
function later(time: string, seconds: number): unknown {
  const least = Date.parse(time) + seconds * 1_000
  return expect.toSatisfy((text: string) => Date.parse(text) >= least && Date.parse(text) < least + 60_000)
}
