import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { openStream } from '../events/sse.ts'

const HOUR_MS = 3_600_000
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString()

describe('the feed of checkpoints', () => {
  let waymark: TestWaymark
  const leave = new AbortController()
  beforeAll(async () => {
    waymark = await startWaymark()
    for (const userId of ['ann', 'bob']) await mutate(waymark, 'registerUser', { userId })
  })
  afterAll(async () => {
    leave.abort()
    await waymark[Symbol.asyncDispose]()
  })

  const pause = (userId: string, hours: number, more = '') =>
    waymark.ask(
      `mutation { pauseCrawl(input: { userId: "${userId}", until: "${inHours(hours)}" ${more} }) { __typename } }`,
    )
  const unpause = (userId: string) =>
    waymark.ask(`mutation { unpauseCrawl(input: { userId: "${userId}" }) { __typename } }`)
  const EVENT = `kind userId stream version lastItemId bookmarksCount checkpoint { version pause { until } } session { sessionId }`
  async function watch(filter: string) {
    const query = `subscription { checkpointChanged(filter: ${filter}) { ${EVENT} } }`
    const stream = await openStream<{ checkpointChanged: Record<string, unknown> }>(
      waymark.url,
      { query },
      leave.signal,
    )
    return async () => (await stream.next()).value?.data?.checkpointChanged
  }

  it('tells of a pause and its end once, with the last version and count', async () => {
    const next = await watch('{ userId: "ann", stream: "twitter/bookmarks" }')
    const none = { userId: 'ann', stream: 'twitter/bookmarks', version: 0, lastItemId: null, bookmarksCount: 0 }
    await unpause('ann')
    await pause('ann', 1)
    expect(await next()).toEqual({ ...none, kind: 'PAUSED', checkpoint: null, session: null })
    // A pause that is changed, lengthened or shortened, is the same episode.
    await pause('ann', 3)
    await pause('ann', 2)
    await unpause('ann')
    expect(await next()).toMatchObject({ ...none, kind: 'UNPAUSED' })
    await unpause('ann')
    await mutate(waymark, 'saveCheckpoint', { userId: 'ann', itemId: '20', bookmarksAdded: 7 })
    expect(await next()).toMatchObject({ kind: 'SAVED', version: 1 })
    const started = await mutate(waymark, 'startSession', { userId: 'ann' })
    const { sessionId } = started['session']
    await pause('ann', 1, `sessionId: "${sessionId}"`)
    const saved = { ...none, version: 1, lastItemId: '20', bookmarksCount: 7 }
    expect(await next()).toEqual({
      ...saved,
      kind: 'PAUSED',
      checkpoint: { version: 1, pause: { until: expect.any(String) as string } },
      session: { sessionId },
    })
    await unpause('ann')
    expect(await next()).toEqual({
      ...saved,
      kind: 'UNPAUSED',
      checkpoint: { version: 1, pause: null },
      session: null,
    })
    // After a clear: the last version, which made nothing of it.
    await mutate(waymark, 'completeSession', { sessionId })
    expect(await next()).toMatchObject({ kind: 'SAVED', version: 2 })
    await mutate(waymark, 'clearCheckpoint', { userId: 'ann' })
    expect(await next()).toMatchObject({ kind: 'CLEARED', version: 3 })
    await pause('ann', 1)
    expect(await next()).toMatchObject({ ...none, kind: 'PAUSED', version: 3, checkpoint: null })
  })

  it('tells nothing of a pause that runs out, and of the next one again', async () => {
    const next = await watch('{ userId: "bob" }')
    await pause('bob', 1)
    expect(await next()).toMatchObject({ kind: 'PAUSED' })
    await waymark.database.query(
      `UPDATE crawler.crawl_pause SET until = now() - interval '1 second' WHERE user_id = 'bob'`,
    )
    await unpause('bob')
    await pause('bob', 1)
    expect(await next()).toMatchObject({ kind: 'PAUSED' })
    await waymark.database.query(
      `UPDATE crawler.crawl_pause SET until = now() - interval '1 second' WHERE user_id = 'bob'`,
    )
    await pause('bob', 1)
    expect(await next()).toMatchObject({ kind: 'PAUSED' })
  })

  it('makes no version and no revision of a pause', async () => {
    await waymark.database.query(`INSERT INTO public."user" VALUES ('carl')`)
    await mutate(waymark, 'saveCheckpoint', { userId: 'carl', itemId: '20' })
    await pause('carl', 1)
    await unpause('carl')
    const { checkpointHistory } = await waymark.ask('{ checkpointHistory(userId: "carl") { nodes { version } } }')
    expect(checkpointHistory.nodes).toEqual([{ version: 1 }])
    await mutate(waymark, 'saveCheckpoint', { userId: 'carl', itemId: '21' })
    expect(await waymark.ask('{ checkpoint(userId: "carl") { version } }')).toEqual({ checkpoint: { version: 2 } })
  })
})
