import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { columnTypes, parseTimestamp } from '../../src/database/timestamps.ts'
import { DateTime } from '../../src/graphql/scalars.ts'
import { toTime } from '../../src/database/time-column.ts'

const DAY_MS = 86_400_000
const parseByDriver = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date | number

const FRACTIONS = ['', '.1', '.02', '.237', '.9', '.000001', '.999999', '.123456', '.5004']

describe('a TIMESTAMPTZ', () => {
  it.each([
    ...FRACTIONS.map((fraction) => `2026-02-28 23:59:59${fraction}+00`),
    ...['0999-12-31 23:59:59+00', '1000-01-01 00:00:00+00', '0099-01-01 00:00:00.5+00', '0001-01-01 00:00:00+00'],
    ...['9999-12-31 23:59:59.999999+00', '10000-01-01 00:00:00+00', '294276-12-31 23:59:59.999999+00'],
    ...['0044-03-15 12:00:00+00 BC', '4713-01-01 00:00:00.5+00 BC', 'infinity', '-infinity'],
    ...[
      '2026-01-01 00:00:00+02',
      '2026-01-01 00:00:00.25+05:30',
      '2026-01-01 00:00:00-03',
      '1890-01-01 00:00:00+00:53:28',
    ],
  ])('is read as the driver reads it, within what the API can say: %s', (text) => {
    expect(parseTimestamp(text)).toEqual(toTime(parseByDriver(text)))
  })

  it('is read by it', () => {
    expect(columnTypes.getTypeParser(pg.types.builtins.TIMESTAMPTZ, 'text')).toBe(parseTimestamp)
  })

  it('is read as the driver reads it, and written as toISOString writes it, on every day of 400 years', () => {
    const different: unknown[] = []
    for (let time = Date.UTC(1_900, 0, 1); time < Date.UTC(2_300, 0, 1); time += DAY_MS + 3_723_457) {
      const iso = new Date(time).toISOString()
      const parsed = parseTimestamp(iso.replace('T', ' ').replace('Z', '+00'))
      if (Number(parsed) !== time || DateTime.serialize(parsed) !== iso) different.push([iso, parsed])
    }
    expect(different).toEqual([])
  })

  it.each([
    '0001-01-01T00:00:00.000Z',
    '0999-12-31T23:59:59.999Z',
    '1000-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ])('is written as toISOString writes it at the ends of the range: %s', (iso) => {
    expect(DateTime.serialize(new Date(iso))).toBe(iso)
  })
})
