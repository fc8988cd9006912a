import { z } from 'zod'
import type { InputIssue } from '../domain-error.ts'
import { bookmarkCountSchema, identifierSchema } from '../identifier.ts'
import { issuesOf } from '../input-issues.ts'
import { platformOf, streamNameSchema } from '../stream/model.ts'

/** How far one crawl of a (user, stream) got. */
export interface Checkpoint {
  readonly userId: string
  readonly stream: string
  /** The last item processed; column last_tweet_id. */
  readonly lastItemId: string
  readonly lastCrawledAt: Date
  /** Bookmarks processed so far, repeats included. */
  readonly bookmarksCount: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface CheckpointKey {
  readonly userId: string
  readonly stream: string
}

/** What a crawler sends after a page. null and undefined both mean: the default. */
export interface SaveCheckpointInput {
  readonly userId: string
  readonly stream?: string | null
  readonly itemId: string
  readonly bookmarksCount?: number | null
  readonly bookmarksAdded?: number | null
  readonly crawledAt?: Date | null
  readonly sessionId?: string | null
}

/** A save whose values are known to be good; what only the rows can tell is judged where it is written. */
export interface SaveCommand {
  readonly userId: string
  readonly stream: string
  readonly itemId: string
  /** Sets the total; at most one of these two. */
  readonly bookmarksCount: number | undefined
  /** Adds to the total. */
  readonly bookmarksAdded: number | undefined
  /** undefined: the database's time when it is written. */
  readonly crawledAt: Date | undefined
  readonly sessionId: string | undefined
}

const EARLIEST_CRAWL = new Date('2000-01-01T00:00:00Z')
/** A crawler's clock may be wrong; a crawl of tomorrow would hide the stream's lag. */
const CRAWLED_AT_TOLERANCE_MS = 24 * 60 * 60 * 1000

const saveSchema = z.object({
  userId: identifierSchema,
  stream: streamNameSchema,
  bookmarksCount: bookmarkCountSchema.optional(),
  bookmarksAdded: bookmarkCountSchema.optional(),
  sessionId: identifierSchema.optional(),
})

/**
 * Checks everything about a save that needs no row, and names every value that is wrong.
 * @param input the stream already resolved
 * @param now the database's time, for IDs and crawl times that carry one
 * @param path where the input stands in the operation's arguments
 */
export function saveIssues(command: SaveCommand, now: Date, path: readonly string[]): InputIssue[] {
  const issues: InputIssue[] = issuesOf(saveSchema.safeParse(command), path)
  const report = (field: string, message: string) => issues.push({ path: [...path, field], message })
  const itemIdProblem = platformOf(command.stream).itemIds.problem(command.itemId, now)
  if (itemIdProblem) report('itemId', itemIdProblem)
  if (command.bookmarksCount !== undefined && command.bookmarksAdded !== undefined) {
    report('bookmarksAdded', 'must not be sent together with bookmarksCount: send the total or the increment')
  }
  if (command.crawledAt) {
    const latest = new Date(now.getTime() + CRAWLED_AT_TOLERANCE_MS)
    if (!(command.crawledAt >= EARLIEST_CRAWL && command.crawledAt <= latest)) {
      report('crawledAt', `must lie between ${EARLIEST_CRAWL.toISOString()} and ${latest.toISOString()}`)
    }
  }
  return issues
}

export const checkpointKeySchema = z.object({ userId: identifierSchema, stream: streamNameSchema })
