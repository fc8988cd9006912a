/** What stands at a place of a cursor. Each is text, which PostgreSQL reads back as the column's type. */
export type CursorValue = 'text' | 'time' | 'version'

/** How timeTextSql writes a time. PostgreSQL would read many other ways, and fails on some of them as on nothing else. */
const TIME = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.\d{1,6})?\+00( BC)?$/
/**
 * The years that a TIMESTAMPTZ can have. Of the first it has only the last weeks:
 * https://www.postgresql.org/docs/current/datatype-datetime.html
 */
const YEARS = { BC: 4714, AD: 294_276 }
const FIRST_DAY = '11-24'
const MOST_VERSION = 2_147_483_647

const checks: Readonly<Record<CursorValue, (text: string) => boolean>> = {
  text: (text) => !text.includes('\0'),
  // -infinity is where a running session stands among those that have completed.
  time: (text) => text === 'infinity' || text === '-infinity' || isTime(text),
  version: (text) => /^[1-9]\d{0,9}$/.test(text) && Number(text) <= MOST_VERSION,
}

/** Whether PostgreSQL can read the text as such a value: a cursor comes from outside. */
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

/** @param year as astronomers count: 0 is 1 BC. The calendar comes again after 400 years, and a Date has not as many as PostgreSQL. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(2000 + (year % 400), month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}
