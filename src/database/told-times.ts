import type { PrismaPg } from '@prisma/adapter-pg'
import { toTime } from './time-column.ts'

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>
type ResultSet = Awaited<ReturnType<Adapter['queryRaw']>>

/** Values of ColumnTypeEnum in @prisma/driver-adapter-utils. */
const DATE_TIME = 10
const JSON_TEXT = 11

/** Every DateTime field of prisma/schema.prisma has such a name, and no other field has. A unit test checks that. */
export const TIME_FIELD = /(At|Until)$|^until$/

/** Matches a JSON text that may hold a time that a JavaScript Date cannot read. */
const MAY_BE_ODD = /"-?infinity"| BC"|"\d{5,}-/

/**
 * Makes an adapter return times as toTime does. From `infinity`, years before Christ and years above 9999, Prisma would
 * make an Invalid Date, in columns and in the JSON of joined relations, and the value would be lost.
 */
export function tellTimes(adapter: Adapter): void {
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => told(await queryRaw(query))
}

function told(result: ResultSet): ResultSet {
  const { columnTypes, rows } = result
  for (const [place, type] of columnTypes.entries()) {
    if (type !== DATE_TIME && type !== JSON_TEXT) continue
    const tell = type === DATE_TIME ? toldTime : toldJson
    for (const row of rows) {
      const value = row[place]
      if (typeof value === 'string') row[place] = tell(value)
    }
  }
  return result
}

/** Returns a time unchanged if a Date can read it. */
function toldTime(text: string): string {
  return text[4] === '-' && !text.endsWith(' BC') ? text : toTime(text).toISOString()
}

function toldJson(text: string): string {
  if (!MAY_BE_ODD.test(text)) return text
  return JSON.stringify(
    JSON.parse(text, (name, value: unknown) =>
      typeof value === 'string' && TIME_FIELD.test(name) ? toldTime(value) : value,
    ),
  )
}
