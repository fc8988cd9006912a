import type { PrismaPg } from '@prisma/adapter-pg'
import { toTime } from './time-column.ts'

type Adapter = Awaited<ReturnType<PrismaPg['connect']>>
type ResultSet = Awaited<ReturnType<Adapter['queryRaw']>>

/** Of @prisma/driver-adapter-utils' ColumnTypeEnum. */
const DATE_TIME = 10
const JSON_TEXT = 11

/** Each DateTime field of prisma/schema.prisma has such a name, and no other field has: a unit test holds it. */
export const TIME_FIELD = /(At|Until)$/

/** In a JSON text, a value that may be a time that a JavaScript Date cannot read. */
const MAY_BE_ODD = /"-?infinity"| BC"|"\d{5,}-/

/**
 * Makes an adapter give times as toTime does. Prisma makes an Invalid Date of `infinity`, of years before Christ and of
 * those above 9999, in columns as in the JSON of joined relations, and then nobody can say which it was.
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

/** As it is, where a Date can read it. */
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
