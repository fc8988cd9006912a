/** What RFC 3339 can say, and so what the API can. */
const EARLIEST = new Date('0001-01-01T00:00:00.000Z')
const LATEST = new Date('9999-12-31T23:59:59.999Z')
/** Numbers: to compare a date with a date takes 0.1 µs. */
const [EARLIEST_MS, LATEST_MS] = [EARLIEST.getTime(), LATEST.getTime()]

/** A time as the driver gives it (Date; a number where it is infinite), or as to_jsonb gives it (ISO text, with " BC" or as a word). */
export type TimeColumn = Date | number | string

/**
 * A column's time as a date from the year 1 to 9999. Others than Waymark write these tables, and PostgreSQL takes more than that: years
 * before Christ and above 9999, and `infinity`. Such a time is the nearest one that can be told, so that one odd row does not cost the
 * answer of all.
 */
export function toTime(value: TimeColumn): Date {
  if (value === -Infinity || (typeof value === 'string' && (value === '-infinity' || value.endsWith(' BC'))))
    return EARLIEST
  const date = value instanceof Date ? value : new Date(value)
  // A text of more than four digits of a year, infinity, and what is too far away for a Date.
  const time = date.getTime()
  if (Number.isNaN(time) || time > LATEST_MS) return LATEST
  return time < EARLIEST_MS ? EARLIEST : date
}

/** SQL: a TIMESTAMPTZ as text that PostgreSQL reads back to the microsecond whatever the session's time zone, and NULL as NULL. */
export function timeTextSql(column: string): string {
  const inUtc = `(${column} AT TIME ZONE 'UTC')::text`
  // Only years before Christ need the regular expression, which costs as much as reading the row.
  return `CASE WHEN NOT isfinite(${column}) THEN ${column}::text
    WHEN ${column} >= '0001-01-01 00:00:00+00' THEN ${inUtc} || '+00' ELSE regexp_replace(${inUtc}, '( BC)?$', '+00\\1') END`
}
