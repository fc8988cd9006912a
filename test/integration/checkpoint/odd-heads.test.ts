import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { controlClock } from '../../support/clock.ts'
import {
  clientOf,
  mutate,
  type MutationResult,
  startOn,
  startWaymark,
  type TestWaymark,
} from '../../support/waymark.ts'

const SAVED = `__typename ... on UserError { code } ... on InvalidInputError { issues { path } }
  ... on SaveCheckpointSuccess { replayed ignoredHeadItemIds checkpoint { headItemIds anchorItemIds complete version } }`
const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { ${SAVED} } }`
const SAVE_ALL = `mutation ($inputs: [SaveCheckpointInput!]!, $import: Boolean) {
  results: saveCheckpoints(inputs: $inputs, import: $import) { ${SAVED} } }`

/** What no platform takes. */
const ALWAYS_ODD = ['', 'a\0b', 'line\nbreak', 'x'.repeat(256), '\ud800', 'a\ufffdb']
const AT_URI = 'at://did:plc:44ybard66vv44zksje25o7dz/app.bsky.feed.post'
/** By stream: IDs that its platform can have, the first of which is the page's last item, and some that it cannot. */
const PLATFORMS: Record<string, { sound: string[]; odd: string[] }> = {
  'twitter/bookmarks': {
    sound: ['20', '1212092628029698048'],
    odd: ['promoted-tweet-1', '0', '-1', '020', '9223372036854775808', '9223372036854775807', '1 ', '1e3'],
  },
  'mastodon/bookmarks': { sound: ['101767036616676231', '7'], odd: ['9223372036854775807', 'ad', '٣'] },
  'bluesky/bookmarks': {
    sound: [`${AT_URI}/3jwdwj2ctlk26`, '3jwdwj2ctlk27'],
    odd: ['zzzzzzzzzzzzz', 'at://alice.example.org/app.bsky.feed.post/3jwdwj2ctlk26', `${AT_URI}/`],
  },
  'linkedin/saved': {
    sound: ['urn:li:activity:7075043149462556672', 'urn:li:linkedInArticle:8918538953396427236'],
    odd: ['urn:li:activity:', 'urn:li:activity:9223372036854775807', 'sponsored'],
  },
  'reddit/saved': { sound: ['t3_1h4f3', 't1_a'], odd: ['t9_a', 't3_', 'T3_1h4f3', '1h4f3'] },
  'youtube/likes': { sound: ['aN46pEO_jX8', 'bN46pEO_jX8'], odd: ['aN46pEO_jX', 'https://youtu.be/aN46pEO_jX8'] },
  'pinboard/all': { sound: ['anything — of ⅝″ 🔖', 'x'.repeat(255)], odd: [] },
}

describe('an odd ID in a head', () => {
  let waymark: TestWaymark
  let clock: Awaited<ReturnType<typeof controlClock>>
  let userId: string
  let users = 0
  beforeAll(async () => {
    waymark = await startWaymark()
    clock = await controlClock(waymark.database)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(async () => {
    userId = `user-${(users += 1)}`
    await mutate(waymark, 'registerUser', { userId })
  })

  const save = async (input: Record<string, unknown>) =>
    (await waymark.ask<{ result: MutationResult }>(SAVE, { input: { userId, itemId: '20', ...input } })).result
  const saveAll = async (inputs: Record<string, unknown>[], importing = false) => {
    const whole = inputs.map((input) => ({ userId, itemId: '20', ...input }))
    const variables = { inputs: whole, import: importing }
    return (await waymark.ask<{ results: MutationResult[] }>(SAVE_ALL, variables)).results
  }
  const startSession = async (stream?: string) =>
    (await mutate(waymark, 'startSession', { userId, stream }))['session'].sessionId as string

  it.each(Object.keys(PLATFORMS))('is left out of the head, and the answer names it: %s', async (stream) => {
    const { sound = [], odd = [] } = PLATFORMS[stream] ?? {}
    const allOdd = [...odd, ...ALWAYS_ODD]
    // Odd ones before, between and after.
    const headItemIds = [allOdd[0], sound[0], ...allOdd.slice(1, -1), sound[1], allOdd.at(-1)]
    const sessionId = await startSession(stream)
    expect(await save({ sessionId, stream, itemId: sound[0], headItemIds })).toEqual({
      __typename: 'SaveCheckpointSuccess',
      replayed: false,
      ignoredHeadItemIds: allOdd,
      checkpoint: { headItemIds: sound, anchorItemIds: [], complete: false, version: 1 },
    })
    // The stream of the session, where the save names none.
    expect(await save({ sessionId, itemId: sound[0], headItemIds })).toMatchObject({ ignoredHeadItemIds: allOdd })
  })

  it('leaves no head where all are odd, and a later save of the session tells it', async () => {
    const sessionId = await startSession()
    expect(await save({ sessionId, headItemIds: ['ad', '', 'ad'] })).toMatchObject({
      ignoredHeadItemIds: ['ad', ''],
      checkpoint: { headItemIds: [] },
    })
    expect(await save({ sessionId, headItemIds: ['20', '19', '18'] })).toMatchObject({
      ignoredHeadItemIds: [],
      checkpoint: { headItemIds: ['20', '19', '18'] },
    })
  })

  it('does not count towards the 50 of a head', async () => {
    const sound = Array.from({ length: 51 }, (_, n) => String(n + 1))
    const sessionId = await startSession()
    const wrong = { code: 'INVALID_INPUT', issues: [{ path: ['input', 'headItemIds'] }] }
    expect(await save({ sessionId, headItemIds: sound })).toMatchObject(wrong)
    expect(await save({ sessionId, headItemIds: [...sound, 'ad'] })).toMatchObject(wrong)
    for (const place of [0, 25, 50]) {
      const headItemIds = sound.slice(0, 50).toSpliced(place, 0, 'ad')
      expect(await save({ sessionId, headItemIds })).toMatchObject({
        ignoredHeadItemIds: ['ad'],
        checkpoint: { headItemIds: sound.slice(0, 50) },
      })
    }
  })

  it('is told with each of many saves, and refuses none', async () => {
    const sessionId = await startSession()
    const results = await saveAll([
      { sessionId, headItemIds: ['20', 'ad'] },
      { sessionId, itemId: 'no-tweet', headItemIds: ['ad'] },
      { sessionId, stream: 'reddit/saved', itemId: 't3_a', headItemIds: ['20'] },
      { itemId: '21' },
      { stream: 'pinboard/all', itemId: 'a', headItemIds: ['20', 'ad', ''] },
    ])
    expect(results).toMatchObject([
      { ignoredHeadItemIds: ['ad'], checkpoint: { headItemIds: ['20'] } },
      // Another mistake is one still, and the head is none.
      { code: 'INVALID_INPUT', issues: [{ path: ['inputs', '1', 'itemId'] }] },
      { code: 'SESSION_NOT_FOUND' },
      { code: 'STREAM_BUSY' },
      { ignoredHeadItemIds: [''] },
    ])
  })

  it('is left out of the anchors of an import', async () => {
    expect(
      await saveAll(
        [{ headItemIds: ['20', 'ad'] }, { stream: 'reddit/saved', itemId: 't3_a', headItemIds: ['20'] }],
        true,
      ),
    ).toMatchObject([
      { ignoredHeadItemIds: ['ad'], checkpoint: { anchorItemIds: ['20'], complete: true } },
      // Without one that counts there are no anchors to complete with.
      { ignoredHeadItemIds: ['20'], checkpoint: { anchorItemIds: [], complete: false } },
    ])
  })

  it('whose time is to come is odd until then, and its save is the same when repeated later', async () => {
    const now = (await waymark.database.query<{ now: Date }>('SELECT crawler.clock() AS now'))[0]?.now.getTime() ?? 0
    const inAnHour = String((BigInt(now + 3_600_000) - 1_288_834_974_657n) << 22n)
    const sessionId = await startSession()
    const input = { sessionId, headItemIds: ['20', inAnHour], idempotencyKey: 'page-1' }
    expect(await save(input)).toMatchObject({ replayed: false, ignoredHeadItemIds: [inAnHour] })
    // A server reads the database's clock when it starts; this one then takes the ID.
    await clock.advance(3_601)
    const later = await startOn(waymark.database.url)
    try {
      const ask = async (fields: Record<string, unknown>) =>
        (
          await clientOf(later.url).ask<{ result: MutationResult }>(SAVE, {
            input: { userId, itemId: '20', ...fields },
          })
        ).result
      expect(await ask(input)).toMatchObject({
        replayed: true,
        ignoredHeadItemIds: [],
        checkpoint: { headItemIds: ['20'] },
      })
      expect(await ask({ stream: 'twitter/other', itemId: inAnHour })).toMatchObject({ replayed: false })
    } finally {
      await later.close()
    }
  })
})
