import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mastodonIds } from '../../../src/stream/platforms/mastodon-ids.ts'
import { snowflakeIds } from '../../../src/stream/platforms/snowflake.ts'
import { tweetIds } from '../../../src/stream/platforms/tweet-ids.ts'
import { compareByKey, compareNumbers, MAX_ID, pairsOfIds, timesBetween } from './id-arbitraries.ts'

/** Not a platform of the contract: what adding one takes (discord.com/developers/docs/reference#snowflakes). */
const discordIds = snowflakeIds('Discord message ID', {
  epochMs: 1_420_070_400_000n,
  timeShiftBits: 22n,
  firstWithTime: 1n,
})

const LAYOUTS = [
  { name: 'tweets', itemIds: tweetIds, epochMs: 1_288_834_974_657n, shift: 22n, since: '2010-11-05T00:00:00Z' },
  { name: 'Mastodon statuses', itemIds: mastodonIds, epochMs: 0n, shift: 16n, since: '1970-01-02T00:00:00Z' },
  {
    name: 'Discord messages',
    itemIds: discordIds,
    epochMs: 1_420_070_400_000n,
    shift: 22n,
    since: '2015-01-02T00:00:00Z',
  },
]
const NOW = new Date('2026-11-01T00:00:00Z')

describe.each(LAYOUTS)('IDs of $name', ({ itemIds, epochMs, shift, since }) => {
  it('compare as numbers', () => {
    fc.assert(
      fc.property(pairsOfIds, ([left, right]) => {
        expect(compareByKey(itemIds, left.toString(), right.toString())).toBe(compareNumbers(left, right))
      }),
    )
  })

  it('tell the millisecond they were made in, whatever is below it', () => {
    fc.assert(
      fc.property(timesBetween(since, '2079-01-01T00:00:00Z'), fc.bigInt(0n, (1n << shift) - 1n), (timeMs, low) => {
        const itemId = (((BigInt(timeMs) - epochMs) << shift) | low).toString()
        expect(itemIds.publishedAt(itemId)?.getTime()).toBe(timeMs)
      }),
    )
  })

  it.each(['0', '-1', '+1', '01', '1.0', '1e3', ' 1', '٣', (MAX_ID + 1n).toString(), '99999999999999999999'])(
    'are not %j',
    (text) => {
      expect(itemIds.problem(text, NOW)).toMatch(
        /^is no .*: send the decimal ID \(1 to 9223372036854775807\) as a string/,
      )
      expect(itemIds.orderKey(text)).toBeUndefined()
      expect(itemIds.publishedAt(text)).toBeNull()
    },
  )

  it('go up to 2^63-1, which is still to come', () => {
    expect(itemIds.orderKey(MAX_ID.toString())).toBe(':9223372036854775807')
    expect(itemIds.problem(MAX_ID.toString(), NOW)).toMatch(/still to come/)
  })
})

describe('IDs counted up one by one', () => {
  it.each([
    { name: 'tweets', itemIds: tweetIds, last: '29700859246', first: '29700859247', time: '2010-11-04T01:42:54.657Z' },
    {
      name: 'Mastodon',
      itemIds: mastodonIds,
      last: '1099511627775',
      first: '1099511627776',
      time: '1970-01-01T04:39:37.216Z',
    },
  ])('are valid, without a time, and below the Snowflakes: $name', ({ itemIds, last, first, time }) => {
    for (const itemId of ['1', last]) {
      expect(itemIds.problem(itemId, NOW)).toBeUndefined()
      expect(itemIds.publishedAt(itemId)).toBeNull()
    }
    expect(itemIds.publishedAt(first)?.getTime()).toBeGreaterThanOrEqual(Date.parse(time))
    expect(itemIds.publishedAt(first)?.getTime()).toBeLessThan(Date.parse(time) + 60_000 * 60 * 24)
    expect(compareByKey(itemIds, last, first)).toBe(-1)
  })
})

describe('a real list', () => {
  const [, ...rows] = readFileSync(new URL('../../data/twitter-bookmarks.csv', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  const tweets = rows.map((row) => row.split(',')).map(([itemId = '', postedAt = '']) => ({ itemId, postedAt }))

  it('has the time of each tweet in its ID', () => {
    expect(tweets).toHaveLength(423)
    for (const { itemId, postedAt } of tweets) {
      expect(tweetIds.problem(itemId, NOW)).toBeUndefined()
      expect(tweetIds.publishedAt(itemId)?.toISOString().slice(0, 19)).toBe(postedAt.slice(0, 19))
    }
  })

  it('is out of ID order at 200 of 422 places, by the keys as by the numbers', () => {
    const neighbours = tweets.slice(1).map(({ itemId }, index) => [tweets[index]?.itemId ?? '', itemId] as const)
    const rising = neighbours.filter(([newer, older]) => compareByKey(tweetIds, newer, older) === -1)
    expect(rising).toHaveLength(200)
    expect(rising).toEqual(neighbours.filter(([newer, older]) => BigInt(newer) < BigInt(older)))
  })
})

it('reads a Discord message as Discord documents it', () => {
  expect(discordIds.publishedAt('175928847299117063')?.toISOString()).toBe('2016-04-30T11:18:25.796Z')
})
