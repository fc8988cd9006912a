import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { platformOf } from '../../../src/stream/model.ts'
import {
  isOrdered,
  namedPlatforms,
  other,
  type Platform,
  type PlatformName,
} from '../../../src/stream/platforms/platform.ts'

/** A valid ID of each platform, its order key, and the time in it. */
const EXAMPLES: Record<PlatformName, { itemId: string; orderKey?: string; publishedAt: string | null }> = {
  TWITTER: { itemId: '1212092628029698048', orderKey: ':1212092628029698048', publishedAt: '2019-12-31T19:26:16.771Z' },
  REDDIT: { itemId: 't3_1h4f3', orderKey: 't3:000000001h4f3', publishedAt: null },
  LINKEDIN: {
    itemId: 'urn:li:activity:7075043149462556672',
    orderKey: 'activity:7075043149462556672',
    publishedAt: '2023-06-15T09:35:34.777Z',
  },
  MASTODON: { itemId: '101767036616676231', orderKey: ':0101767036616676231', publishedAt: '2019-03-17T16:55:45.249Z' },
  BLUESKY: {
    itemId: 'at://did:plc:44ybard66vv44zksje25o7dz/app.bsky.feed.post/3jwdwj2ctlk26',
    orderKey: ':3jwdwj2ctlk26',
    publishedAt: '2023-05-22T21:40:19.774Z',
  },
  YOUTUBE: { itemId: 'aN46pEO_jX8', publishedAt: null },
  OTHER: { itemId: 'anything — of ⅝″ 🔖', publishedAt: null },
}
const ORDERED: PlatformName[] = ['TWITTER', 'REDDIT', 'LINKEDIN', 'MASTODON', 'BLUESKY']

const platforms: readonly Platform[] = [...namedPlatforms, other]
const END_OF_TIME = new Date('9999-12-31T23:59:59.999Z')
const YEAR_1_MS = Date.parse('0001-01-01T00:00:00Z')

/** Any text; half of it an example with some characters replaced, so that it comes close to being an ID. */
function texts(example: string) {
  const spoilt = fc
    .array(fc.tuple(fc.nat(example.length), fc.nat(2), fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 3 })
    .map((edits) => edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), example))
  return fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), spoilt, fc.stringMatching(/^[0-9]{0,40}$/))
}

describe.each(platforms.map((platform) => ({ name: platform.name, platform })))('$name', ({ name, platform }) => {
  const { itemIds } = platform
  const { itemId, orderKey, publishedAt } = EXAMPLES[name]

  it('takes an ID of its own, and reads its place and its time', () => {
    expect(itemIds.problem(itemId, new Date('2026-01-01T00:00:00Z'))).toBeUndefined()
    expect(itemIds.orderKey(itemId)).toBe(orderKey)
    expect(itemIds.publishedAt(itemId)?.toISOString() ?? null).toBe(publishedAt)
  })

  if (publishedAt !== null) {
    it('refuses an ID of more than a minute ahead', () => {
      const time = Date.parse(publishedAt)
      expect(itemIds.problem(itemId, new Date(time - 60_000))).toBeUndefined()
      expect(itemIds.problem(itemId, new Date(time - 60_001))).toMatch(
        /yet: its (Snowflake )?time is .* still to come$/,
      )
    })
  }

  it('refuses texts that fit no column', () => {
    for (const text of ['', 'x'.repeat(256), 'a\u0000b', `${itemId}\n`]) {
      expect(itemIds.problem(text, END_OF_TIME)).toMatch(/^(is no|must not) /)
    }
  })

  it('answers about any text: a key in ASCII for what is valid, where there is an order, and a time that can be stored', () => {
    fc.assert(
      fc.property(texts(itemId), (text) => {
        const valid = itemIds.problem(text, END_OF_TIME) === undefined
        const key = itemIds.orderKey(text)
        // A URN of LinkedIn need not be a number, and then it has no place.
        if (name !== 'LINKEDIN') expect(key !== undefined).toBe(valid && isOrdered(platform))
        if (key !== undefined) {
          expect(valid).toBe(true)
          expect(key).toMatch(/^[A-Za-z0-9_.-]{0,255}:[0-9a-z]{1,19}$/)
        }
        const time = itemIds.publishedAt(text)?.getTime()
        if (time === undefined) return
        expect(valid).toBe(true)
        expect(time).toBeGreaterThanOrEqual(YEAR_1_MS)
        expect(time).toBeLessThanOrEqual(END_OF_TIME.getTime())
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('platforms', () => {
  it('are ordered where their IDs compare', () => {
    expect(platforms.filter(isOrdered).map(({ name }) => name)).toEqual(ORDERED)
  })

  it('are known by the part of the stream before the slash', () => {
    for (const { slug, name } of namedPlatforms) expect(platformOf(`${slug}/a-list`).name).toBe(name)
    expect(platformOf('pinboard/all').name).toBe('OTHER')
  })
})

describe('YOUTUBE', () => {
  it.each(['aN46pEO_jX', 'aN46pEO_jX8x', 'aN46pEO+jX8', 'https://youtu.be/aN46pEO_jX8', 'UC_x5XG1OV2P6uZZ5FSM9Ttw'])(
    'refuses %s and says what to send',
    (itemId) =>
      expect(platformOf('youtube/likes').itemIds.problem(itemId, END_OF_TIME)).toMatch(/no YouTube video ID: send/),
  )
})

describe('OTHER', () => {
  it('takes up to 255 characters, however many UTF-16 units', () => {
    expect(other.itemIds.problem('🔖'.repeat(255), END_OF_TIME)).toBeUndefined()
    expect(other.itemIds.problem('🔖'.repeat(256), END_OF_TIME)).toMatch(/longer than 255/)
    expect(other.itemIds.problem('a\u009fb', END_OF_TIME)).toMatch(/control characters/)
  })
})
