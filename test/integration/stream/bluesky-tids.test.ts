import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blueskyTids } from '../../../src/stream/platforms/bluesky-tids.ts'
import { compareByKey, compareNumbers, MAX_ID, pairsOfIds } from './id-arbitraries.ts'

const NOW = new Date('2026-11-01T00:00:00Z')
const DID = 'did:plc:44ybard66vv44zksje25o7dz'
const uri = (tid: string, did = DID) => `at://${did}/app.bsky.feed.post/${tid}`

/** As the specification says it: 13 digits of 5 bits, the highest first. */
function toTid(value: bigint): string {
  const digits = '234567abcdefghijklmnopqrstuvwxyz'
  return Array.from({ length: 13 }, (_, index) => digits[Number((value >> BigInt(5 * (12 - index))) & 31n)]).join('')
}

describe('TIDs', () => {
  it('compare as numbers, alone and at the end of URIs of any account', () => {
    fc.assert(
      fc.property(pairsOfIds, fc.boolean(), ([left, right], alone) => {
        const leftId = alone ? toTid(left) : uri(toTid(left), 'did:web:example.com')
        expect(compareByKey(blueskyTids, leftId, uri(toTid(right)))).toBe(compareNumbers(left, right))
      }),
    )
  })

  it('tell the microsecond they were made in, in milliseconds, whatever their clock identifier', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 53n - 1n), fc.bigInt(0n, 1023n), (microseconds, clockId) => {
        const tid = toTid((microseconds << 10n) | clockId)
        expect(blueskyTids.publishedAt(tid)?.getTime()).toBe(Number(microseconds / 1000n))
        expect(blueskyTids.publishedAt(uri(tid))).toEqual(blueskyTids.publishedAt(tid))
      }),
    )
  })

  it('are read as other programs read them', () => {
    // From the README of @atcute/tid.
    expect(blueskyTids.publishedAt('3l25zusnsfctk')?.toISOString()).toBe('2024-08-20T16:31:35.793Z')
    expect(blueskyTids.publishedAt('2222222222222')?.getTime()).toBe(0)
  })

  it('are still to come where their top bit is set', () => {
    expect(blueskyTids.problem(toTid(MAX_ID), NOW)).toMatch(/2255-06-05T23:47:34.740Z, which is still to come/)
    expect(blueskyTids.problem('jzzzzzzzzzzzz', NOW)).toMatch(/2540-11-07T23:35:09.481Z, which is still to come/)
  })

  it('are equal for two posts of one TID', () => {
    expect(compareByKey(blueskyTids, uri('3jwdwj2ctlk26'), uri('3jwdwj2ctlk26', 'did:web:example.com'))).toBe(0)
  })

  it.each([
    // The specification's own examples of what is none.
    '3jzfcijpj2z21',
    '0000000000000',
    '3jzfcijpj2z2aa',
    '3jzfcijpj2z2',
    '222',
    '3jzf-cij-pj2z-2a',
    'zzzzzzzzzzzzz',
    'kjzfcijpj2z2a',
    '3JZFCIJPJ2Z2A',
    // Not durable, incomplete, or of something that has no TID.
    'at://alice.bsky.social/app.bsky.feed.post/3jwdwj2ctlk26',
    'at://plc:44ybard66vv44zksje25o7dz/app.bsky.feed.post/3jwdwj2ctlk26',
    `at://${DID}/3jwdwj2ctlk26`,
    `at://${DID}/app.bsky.actor.profile/self`,
    `${uri('3jwdwj2ctlk26')}/`,
    `${uri('3jwdwj2ctlk26')}#x`,
    `x${uri('3jwdwj2ctlk26')}`,
    `https://bsky.app/profile/${DID}/post/3jwdwj2ctlk26`,
  ])('are not %s', (text) => {
    expect(blueskyTids.problem(text, NOW)).toMatch(/^is no TID: send the post's at-uri/)
    expect(blueskyTids.orderKey(text)).toBeUndefined()
    expect(blueskyTids.publishedAt(text)).toBeNull()
  })

  it('come in URIs of at most 255 characters', () => {
    const uriOf = (length: number) =>
      uri('3jwdwj2ctlk26', `did:web:${'a'.repeat(length - uri('3jwdwj2ctlk26', 'did:web:').length)}`)
    expect(uriOf(255)).toHaveLength(255)
    expect(blueskyTids.problem(uriOf(255), NOW)).toBeUndefined()
    expect(blueskyTids.problem(uriOf(256), NOW)).toMatch(/up to 255 characters/)
  })
})
