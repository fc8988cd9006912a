import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redditFullnames } from '../../../src/stream/platforms/reddit-fullnames.ts'
import { compareByKey, compareNumbers, pairsOfIds } from './id-arbitraries.ts'

const NOW = new Date('2026-11-01T00:00:00Z')
const types = fc.constantFrom('t1', 't2', 't3', 't4', 't5', 't6')

describe('Reddit fullnames', () => {
  it('compare as base 36 numbers within one type, and not at all with another', () => {
    fc.assert(
      fc.property(pairsOfIds, types, types, ([left, right], leftType, rightType) => {
        const [leftId, rightId] = [`${leftType}_${left.toString(36)}`, `${rightType}_${right.toString(36)}`]
        expect(redditFullnames.problem(leftId, NOW)).toBeUndefined()
        expect(compareByKey(redditFullnames, leftId, rightId)).toBe(
          leftType === rightType ? compareNumbers(left, right) : undefined,
        )
      }),
    )
  })

  it('carry no time', () => {
    expect(redditFullnames.publishedAt('t3_1nx0k2p')).toBeNull()
  })

  it.each([
    '1h4f3',
    't3_',
    't3_0',
    't3_01h4f3',
    't3_1H4F3',
    'T3_1h4f3',
    't0_1h4f3',
    't7_1h4f3',
    't33_1h4f3',
    't3-1h4f3',
    `t3_${'1'.repeat(14)}`,
  ])('are not %s', (text) => {
    expect(redditFullnames.problem(text, NOW)).toMatch(/^is no Reddit fullname: send its type, t1 to t6/)
    expect(redditFullnames.orderKey(text)).toBeUndefined()
  })
})
