/** The range of RFC 3339, and so of the API. */
const EARLIEST = new Date('0001-01-01T00:00:00.000Z')
const LATEST = new Date('9999-12-31T23:59:59.999Z')
/** Numbers, because to compare a Date with a Date takes 0.1 µs. */
const [EARLIEST_MS, LATEST_MS] = [EARLIEST.getTime(), LATEST.getTime()]

/** A time from the driver (Date; a number if it is infinite) or from to_jsonb (ISO text, with " BC" or as a word). */
export type TimeColumn = Date | number | string

/**
 * A column's time as a date from the year 1 to 9999. Other programs write these tables too, and PostgreSQL accepts
 * more: years before Christ, years above 9999, and `infinity`. Such a time becomes the nearest one in this range, so
 * that one odd row does not cost the answer for all.
 */
export function toTime(value: TimeColumn): Date {
  if (value === -Infinity || (typeof value === 'string' && (value === '-infinity' || value.endsWith(' BC'))))
    return EARLIEST
  const date = value instanceof Date ? value : new Date(value)
  // A text with more than four digits of a year, infinity, and a time that is too far away for a Date.
  const time = date.getTime()
  if (Number.isNaN(time) || time > LATEST_MS) return LATEST
  return time < EARLIEST_MS ? EARLIEST : date
}

/**
 * SQL: a TIMESTAMPTZ as text. PostgreSQL reads it back to the microsecond, whatever the session's time zone. NULL stays
 * NULL.
 */
export function timeTextSql(column: string): string {
  const inUtc = `(${column} AT TIME ZONE 'UTC')::text`
  // Only years before Christ need the regular expression, which costs as much as reading the row.
  return `CASE WHEN NOT isfinite(${column}) THEN ${column}::text
    WHEN ${column} >= '0001-01-01 00:00:00+00' THEN ${inUtc} || '+00' ELSE regexp_replace(${inUtc}, '( BC)?$', '+00\\1') END`
}
