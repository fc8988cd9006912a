import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linkedinUrns } from '../../../src/stream/platforms/linkedin-urns.ts'
import { compareByKey, compareNumbers, pairsOfIds, timesBetween } from './id-arbitraries.ts'

const NOW = new Date('2026-11-01T00:00:00Z')
const KINDS = ['urn:li:activity:', 'urn:li:share:', 'urn:li:ugcPost:', '']
const kinds = fc.constantFrom(...KINDS)

describe('LinkedIn posts', () => {
  it('compare as numbers within one kind, and not at all with another', () => {
    fc.assert(
      fc.property(pairsOfIds, kinds, kinds, ([left, right], leftKind, rightKind) => {
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
    'urn:li:activity:',
    'urn:li:activity:0',
    'urn:li:activity:07075043149462556672',
    'urn:li:activity:9223372036854775808',
    'urn:li:Activity:7075043149462556672',
    'urn:li:person:7075043149462556672',
    'urn:li:comment:(urn:li:activity:7075043149462556672,1)',
    'activity:7075043149462556672',
    'x7075043149462556672',
  ])('are not %s', (text) => {
    expect(linkedinUrns.problem(text, NOW)).toMatch(/^is no LinkedIn post: send its URN/)
    expect(linkedinUrns.orderKey(text)).toBeUndefined()
    expect(linkedinUrns.publishedAt(text)).toBeNull()
  })
})
