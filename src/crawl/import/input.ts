import { z } from 'zod'
import type { InputIssue } from '../../errors/domain-error.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { bookmarkCountSchema, freeTextSchema, identifierSchema, nameSchema } from '../../identity/identifier.ts'
import { platformOf, streamNameSchema } from '../../stream/model.ts'

/** A catch-up as it is given. */
export interface ImportCatchUpInput {
  readonly lastItemId?: string | null
  readonly pageToken?: string | null
  readonly headItemIds: readonly string[]
  readonly startedAt: Date
}

/** The whole state of a list as it is given. null and undefined both mean: none. */
export interface ImportCheckpointInput {
  readonly userId: string
  readonly stream: string
  readonly lastItemId: string
  readonly bookmarksCount: number
  readonly lastCrawledAt: Date
  readonly createdAt?: Date | null
  readonly lastCompletedAt?: Date | null
  readonly pageToken?: string | null
  readonly headItemIds: readonly string[]
  readonly anchorItemIds: readonly string[]
  readonly complete: boolean
  readonly fullPass?: boolean | null
  readonly fullPassHasItem?: boolean | null
  readonly catchUp?: ImportCatchUpInput | null
  readonly pausedUntil?: Date | null
  readonly pauseReason?: string | null
  readonly pausedBy?: string | null
}

const EARLIEST = new Date('2000-01-01T00:00:00Z')
const DAY_MS = 86_400_000
/** As for crawledAt of a save. */
const MOST_DAYS_AHEAD = 1
/** As for a pause. */
const LONGEST_PAUSE_DAYS = 400
const MAX_PAGE_TOKEN_BYTES = 8 * 1024
const MAX_LIST_ITEMS = 50
const MAX_REASON_LENGTH = 500

const pageToken = z
  .string()
  .refine((token) => !/\0|\p{Surrogate}/u.test(token), 'must not contain NUL or unpaired surrogates')
  .refine((token) => Buffer.byteLength(token) <= MAX_PAGE_TOKEN_BYTES, 'must not be longer than 8 KiB')
  .nullish()
const itemIds = z.array(z.string()).max(MAX_LIST_ITEMS, `must not be more than ${MAX_LIST_ITEMS}`)

const importSchema = z.object({
  userId: identifierSchema,
  stream: streamNameSchema,
  bookmarksCount: bookmarkCountSchema,
  pageToken,
  headItemIds: itemIds,
  anchorItemIds: itemIds,
  catchUp: z.object({ pageToken, headItemIds: itemIds }).nullish(),
  pauseReason: freeTextSchema(MAX_REASON_LENGTH).nullish(),
  pausedBy: nameSchema.nullish(),
})

/**
 * Checks everything about a state that needs no stored row, and reports every value that is wrong: items by the rules
 * of their platform, and what no crawl can have left.
 * @param now the database's time, for IDs and times
 * @param path where the input is in the operation's arguments
 */
export function importIssues(input: ImportCheckpointInput, now: Date, path: readonly string[]): InputIssue[] {
  const issues: InputIssue[] = issuesOf(importSchema.safeParse(input), path)
  const report = (message: string, ...field: string[]) => issues.push({ path: [...path, ...field], message })
  const { itemIds: rules } = platformOf(input.stream)
  const checkItem = (itemId: string | null | undefined, ...field: string[]) => {
    const problem = itemId == null ? undefined : rules.problem(itemId, now)
    if (problem) report(problem, ...field)
  }
  const checkItems = (list: readonly string[], ...field: string[]) =>
    list.slice(0, MAX_LIST_ITEMS).forEach((itemId, place) => checkItem(itemId, ...field, String(place)))
  const checkTime = (time: Date | null | undefined, mostDaysAhead: number, ...field: string[]) => {
    const latest = new Date(now.getTime() + mostDaysAhead * DAY_MS)
    if (time != null && !(time >= EARLIEST && time <= latest)) {
      report(`must lie between ${EARLIEST.toISOString()} and ${latest.toISOString()}`, ...field)
    }
  }

  checkItem(input.lastItemId, 'lastItemId')
  checkItems(input.headItemIds, 'headItemIds')
  checkItems(input.anchorItemIds, 'anchorItemIds')
  for (const field of ['lastCrawledAt', 'createdAt', 'lastCompletedAt'] as const) {
    checkTime(input[field], MOST_DAYS_AHEAD, field)
  }
  checkTime(input.pausedUntil, LONGEST_PAUSE_DAYS, 'pausedUntil')
  if (input.catchUp) {
    checkItem(input.catchUp.lastItemId, 'catchUp', 'lastItemId')
    checkItems(input.catchUp.headItemIds, 'catchUp', 'headItemIds')
    checkTime(input.catchUp.startedAt, MOST_DAYS_AHEAD, 'catchUp', 'startedAt')
    if (input.complete)
      report('must be null where complete is true: a catch-up runs beside an unfinished crawl', 'catchUp')
  }
  if (input.fullPass && input.complete)
    report('must be false where complete is true: a full pass ends with its crawl', 'fullPass')
  if (input.fullPassHasItem && !input.fullPass) report('must be false without fullPass', 'fullPassHasItem')
  if (input.pausedUntil == null) {
    for (const field of ['pauseReason', 'pausedBy'] as const) {
      if (input[field] != null) report('must be null without pausedUntil', field)
    }
  }
  return issues
}
