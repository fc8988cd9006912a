import { describe, expect, it } from 'vitest'
import { readDocument } from './markdown.ts'

const text = await readDocument('docs/scaling.md')
const rows = [...text.matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split('|').map((cell) => cell.trim()))
const numberIn = (cell = '') => Number(cell.replaceAll(',', ''))
const bytesOf = (what: string) => numberIn(rows.find(([name]) => name?.startsWith(what))?.[1])

const HOUR = 3_600
const DAY = 24 * HOUR
const GB = 1e9

/** The sizes for one save a second, in the order of the columns, GB. */
function sizes(eventHours: number, revisionDays: number) {
  const events = (bytesOf('an event') * eventHours * HOUR * 13) / 12 / GB
  const keys = (bytesOf('an idempotency key') * 30 * HOUR) / GB
  const revisions = (bytesOf('a revision') * revisionDays * DAY) / GB
  return { events, keys, revisions, all: events + keys + revisions }
}

describe('docs/scaling.md', () => {
  const table = rows.filter(([rate = '']) => /^[\d,]+$/.test(rate))

  it('has a row for each rate', () => {
    expect(table.map(([rate]) => numberIn(rate))).toEqual([1, 10, 100, 1_000])
  })

  it.each(table)('calculates %s saves a second from its own figures', (rate, ...cells) => {
    const byDefault = sizes(168, 30)
    const oneDay = sizes(24, 1)
    const { events, keys, revisions, all } = byDefault
    const logOfDay = (bytesOf('write-ahead log') * DAY) / GB
    const expected = [events, keys, revisions, all, oneDay.all, logOfDay].map((each) => each * numberIn(rate))
    for (const [column, size] of expected.entries()) {
      const told = numberIn(cells[column])
      // The last digit that is told is rounded.
      expect(Math.abs(told - size), `column ${column + 2}: ${told}, calculated ${size}`).toBeLessThanOrEqual(
        0.5 * 10 ** -(cells[column]?.split('.')[1]?.length ?? 0) + 1e-9,
      )
    }
  })

  it('adds up what a million lists and a million sessions take', () => {
    const [, lists] = /add (\S+) GB for each million lists/.exec(text) ?? []
    const [, sessions] = /and (\S+) GB for each million sessions/.exec(text) ?? []
    expect(Number(lists)).toBeCloseTo(((bytesOf('the state') + bytesOf('a checkpoint')) * 1e6) / GB, 1)
    expect(Number(sessions)).toBeCloseTo((bytesOf('a session') * 1e6) / GB, 1)
  })
})
