import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { platformOf } from '../../src/stream/model.ts'

const problem = (id: string, at: Date) => platformOf('twitter/bookmarks').itemIds.problem(id, at)
const EPOCH_MS = 1_288_834_974_657
const now = new Date('2026-11-24T07:33:00.000Z')

/** The lowest, or the highest, ID of a millisecond. */
const idOf = (timeMs: number, low = 0n) => String((BigInt(timeMs - EPOCH_MS) << 22n) | low)
const ALL_LOW_BITS = (1n << 22n) - 1n

describe('a tweet ID', () => {
  it.each([
    ['1', 'the first tweet ID there could be'],
    ['20', 'the first tweet there is'],
    ['29700859246', 'the last that was counted up'],
    ['29700859247', 'the first Snowflake'],
    ['9007199254740993', '2^53 + 1, which a JSON number would round'],
    [idOf(now.getTime()), 'one of this millisecond'],
    [idOf(now.getTime() + 60_000, ALL_LOW_BITS), 'one of a minute from now: clocks differ'],
  ])('%s is valid: %s', (id) => {
    expect(problem(id, now)).toBeUndefined()
  })

  it.each([
    ['', 'empty'],
    ['0', 'zero'],
    ['-1', 'negative'],
    ['+1', 'signed'],
    ['01', 'with a leading zero'],
    ['12a', 'with a letter'],
    ['0x10', 'in hexadecimal'],
    ['1e3', 'with an exponent'],
    ['1.0', 'with a fraction'],
    [' 20', 'with a space before'],
    ['20\n', 'with a line end after'],
    ['٢٠', 'in other digits'],
    ['9223372036854775808', '2^63'],
    ['9999999999999999999', 'of 19 digits, above 2^63'],
    ['18446744073709551616', '2^64'],
    ['1'.repeat(300), 'very long'],
  ])('%j is none: %s', (id) => {
    expect(problem(id, now)).toMatch(/^is no tweet ID: send the decimal ID/)
  })

  it('may be as large as 2^63-1, once its time has come', () => {
    const largest = String(2n ** 63n - 1n)
    expect(problem(largest, new Date('2080-07-10T17:30:30.208Z'))).toBeUndefined()
    expect(problem(largest, now)).toMatch(/2080-07-10.*still to come/)
  })

  it('of more than a minute from now is refused, and says its time', () => {
    expect(problem(idOf(now.getTime() + 60_001), now)).toMatch(
      /^is no tweet ID yet: .* 2026-11-24T07:34:00.001Z, which is still to come$/,
    )
    expect(problem(idOf(Date.UTC(2027, 10, 24)), now)).toMatch(/still to come/)
  })

  it('is judged by the clock that is handed in', () => {
    const id = idOf(now.getTime())
    expect(problem(id, new Date(now.getTime() - 60_000))).toBeUndefined()
    expect(problem(id, new Date(now.getTime() - 60_001))).toMatch(/still to come/)
  })
})

describe('the time in a tweet ID', () => {
  const firstMs = Date.parse('2010-11-04T01:43:01.738Z')

  it('is in the first Snowflake, and in none before', () => {
    expect(problem('29700859247', new Date(firstMs - 60_000))).toBeUndefined()
    expect(problem('29700859247', new Date(firstMs - 60_001))).toMatch(/2010-11-04T01:43:01.738Z/)
    for (const id of ['20', '29700859246']) expect(problem(id, new Date(0))).toBeUndefined()
  })

  it('is what the list of a real account says, for each of its 423 bookmarks', async () => {
    const csv = await readFile(new URL('../data/twitter-bookmarks.csv', import.meta.url), 'utf8')
    const [, ...rows] = csv.trim().split('\n')
    expect(rows).toHaveLength(423)
    for (const row of rows) {
      const [id = '', postedAt = ''] = row.split(',')
      // To the second: valid for a clock that is a minute and less than a second behind, and for none further behind.
      const postedMs = Date.parse(postedAt)
      expect(problem(id, new Date(postedMs + 999 - 60_000)), row).toBeUndefined()
      expect(problem(id, new Date(postedMs - 1 - 60_000)), row).toContain(postedAt.slice(0, -1))
    }
  })
})
