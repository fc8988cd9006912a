import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linkedinUrns } from '../../../src/stream/platforms/linkedin-urns.ts'
import { compareByKey, compareNumbers, pairsOfIds, timesBetween } from './id-arbitraries.ts'

const NOW = new Date('2026-11-01T00:00:00Z')
const KINDS = ['urn:li:activity:', 'urn:li:share:', 'urn:li:ugcPost:', '']
const kinds = fc.constantFrom(...KINDS)
const allKinds = fc.constantFrom(...KINDS, 'urn:li:linkedInArticle:', 'urn:li:fsd_jobPosting:', 'urn:li:x.y-z:')

describe('LinkedIn items', () => {
  it('compare as numbers within one kind, and not at all with another', () => {
    fc.assert(
      fc.property(pairsOfIds, allKinds, allKinds, ([left, right], leftKind, rightKind) => {
        expect(compareByKey(linkedinUrns, `${leftKind}${left}`, `${rightKind}${right}`)).toBe(
          leftKind === rightKind ? compareNumbers(left, right) : undefined,
        )
      }),
    )
  })

  it('tell the millisecond they were made in', () => {
    fc.assert(
      fc.property(
        timesBetween('2003-05-05T00:00:00Z', '2039-09-01T00:00:00Z'),
        fc.bigInt(0n, 2n ** 22n - 1n),
        kinds,
        (timeMs, low, kind) => {
          const itemId = `${kind}${(BigInt(timeMs) << 22n) | low}`
          expect(linkedinUrns.publishedAt(itemId)?.getTime()).toBe(timeMs)
        },
      ),
    )
  })

  it.each([
    // The time that the page of the post says.
    ['7075043149462556672', '2023-06-15T09:35:34.752Z'],
    ['7074702026084884480', '2023-06-14T11:00:04.600Z'],
  ])('were published when LinkedIn says so, within 50 ms: %s', (digits, datePublished) => {
    const time = linkedinUrns.publishedAt(`urn:li:activity:${digits}`)?.getTime() ?? 0
    expect(Math.abs(time - Date.parse(datePublished))).toBeLessThan(50)
  })

  it('carry no time where it would be before LinkedIn', () => {
    const first = BigInt(Date.parse('2003-05-05T00:00:00Z')) << 22n
    expect(linkedinUrns.publishedAt(`urn:li:share:${first}`)?.toISOString()).toBe('2003-05-05T00:00:00.000Z')
    expect(linkedinUrns.publishedAt(`urn:li:share:${first - 1n}`)).toBeNull()
    expect(linkedinUrns.problem('urn:li:share:1', NOW)).toBeUndefined()
  })

  it.each([
    'urn:li:linkedInArticle:7168522598362832896',
    'urn:li:article:8918538953396427236',
    'urn:li:jobPosting:3600000000',
    'urn:li:lyndaCourse:0',
    'urn:li:person:8675309_x-Y',
    'urn:li:fsd_profile:ACoAAAJ9wXkBz',
    'urn:li:fsd_update:(urn:li:activity:7422694674299109376,MAIN_FEED,EMPTY,DEFAULT,false)',
    'urn:li:comment:(urn:li:activity:7075043149462556672,1)',
    'urn:li:Activity:7075043149462556672',
    'urn:li:digitalmediaAsset:C5500AQG7r2u00ByWjw',
    'urn:li:groupPost:1234-7075043149462556672',
    // Of a kind that holds its time, but no number of its layout.
    'urn:li:activity:0',
    'urn:li:activity:07075043149462556672',
    'urn:li:activity:9223372036854775808',
    'urn:li:share:draft',
    `urn:li:job:${'x'.repeat(244)}`,
  ])('may be of any kind, without a time: %s', (itemId) => {
    expect(linkedinUrns.problem(itemId, NOW)).toBeUndefined()
    expect(linkedinUrns.publishedAt(itemId)).toBeNull()
  })

  it('of another kind are never of a time to come', () => {
    const ahead = `${BigInt(Date.parse('2038-01-01T00:00:00Z')) << 22n}`
    expect(linkedinUrns.problem(`urn:li:linkedInArticle:${ahead}`, NOW)).toBeUndefined()
    for (const kind of KINDS) {
      expect(linkedinUrns.problem(`${kind}${ahead}`, NOW)).toMatch(/^is no LinkedIn item yet: its time is 2038-01-01/)
    }
  })

  it('have no place in an order where they are no numbers', () => {
    for (const id of ['0', '07075043149462556672', '9223372036854775808', 'abc', '(urn:li:activity:1,2)']) {
      expect(linkedinUrns.orderKey(`urn:li:activity:${id}`)).toBeUndefined()
    }
  })

  it.each([
    '',
    'urn:li:activity:',
    'urn:li:activity',
    'urn:li::7075043149462556672',
    'urn:li:7075043149462556672',
    'urn:li:job posting:1',
    'urn:li:job:1 2',
    'urn:li:job:1\n',
    'urn:li:job:\u0000',
    'urn:li:job:\ufffd',
    `urn:li:job:${'x'.repeat(245)}`,
    'URN:LI:job:1',
    'urn:isbn:0451450523',
    'activity:7075043149462556672',
    'https://www.linkedin.com/feed/update/urn:li:activity:7075043149462556672',
    'x7075043149462556672',
    '0',
    '07075043149462556672',
    '9223372036854775808',
  ])('are not %j', (text) => {
    expect(linkedinUrns.problem(text, NOW)).toMatch(/^is no LinkedIn item: send its URN/)
    expect(linkedinUrns.orderKey(text)).toBeUndefined()
    expect(linkedinUrns.publishedAt(text)).toBeNull()
  })
})
