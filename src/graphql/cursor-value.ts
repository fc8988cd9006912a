/** The type of one value in a cursor. Each is sent as text, which PostgreSQL reads as the column's type. */
export type CursorValue = 'text' | 'time' | 'version'

/**
 * The form in which timeTextSql writes a time. PostgreSQL would read many other forms, and fails on some of them with
 * an error that no other input causes.
 */
const TIME = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.\d{1,6})?\+00( BC)?$/
/**
 * The years that a TIMESTAMPTZ can have. 4714 BC has only its last weeks:
 * https://www.postgresql.org/docs/current/datatype-datetime.html
 */
const YEARS = { BC: 4714, AD: 294_276 }
const FIRST_DAY = '11-24'
const MOST_VERSION = 2_147_483_647

const checks: Readonly<Record<CursorValue, (text: string) => boolean>> = {
  text: (text) => !text.includes('\0'),
  // A running session has -infinity in the list by completion time.
  time: (text) => text === 'infinity' || text === '-infinity' || isTime(text),
  version: (text) => /^[1-9]\d{0,9}$/.test(text) && Number(text) <= MOST_VERSION,
}

/** Whether PostgreSQL can read the text as a value of this type. Cursors come from clients, so any text is possible. */
export function isCursorValue(kind: CursorValue, text: string): boolean {
  return checks[kind](text)
}

function isTime(text: string): boolean {
  const [, year, month, day, hour, minute, second, era] = TIME.exec(text) ?? []
  if (year === undefined) return false
  const isBefore = era !== undefined
  const isInRange = Number(year) >= 1 && Number(year) <= (isBefore ? YEARS.BC : YEARS.AD)
  if (isBefore && Number(year) === YEARS.BC && `${month ?? ''}-${day ?? ''}` < FIRST_DAY) return false
  const isOnClock = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
  return isInRange && isOnClock && isDay(isBefore ? 1 - Number(year) : Number(year), Number(month), Number(day))
}

/**
 * Whether the day exists. The calendar repeats every 400 years, and a Date does not cover all years of PostgreSQL.
 * @param year the astronomical year: 0 is 1 BC
 */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(2000 + (year % 400), month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}
