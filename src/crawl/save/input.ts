import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { InputIssue } from '../../errors/domain-error.ts'
import { bookmarkCountSchema, identifierSchema, nameSchema } from '../../identity/identifier.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import { type Principal, reaches } from '../../identity/principal.ts'
import { type Metrics, metricsSchema, rateLimitProblem } from '../session/metrics.ts'
import { platformOf, streamNameSchema } from '../../stream/model.ts'

/** What a crawler sends after a page. null and undefined both mean the default. */
export interface SaveCheckpointInput {
  readonly userId: string
  readonly stream?: string | null
  /** null: the page had no items, and only the page token moves. */
  readonly itemId?: string | null
  readonly bookmarksCount?: number | null
  readonly bookmarksAdded?: number | null
  readonly crawledAt?: Date | null
  readonly sessionId?: string | null
  readonly pageToken?: string | null
  readonly headItemIds?: readonly string[] | null
  readonly expectedVersion?: number | null
  readonly idempotencyKey?: string | null
  readonly metrics?: Metrics | null
  readonly rateLimitedUntil?: Date | null
}

/** A save whose values are valid. What depends on stored rows is checked where the save is written. */
export interface SaveCommand {
  readonly userId: string
  readonly stream: string
  /** undefined: the page had no items. */
  readonly itemId: string | undefined
  /** Sets the total. At most one of bookmarksCount and bookmarksAdded is given. */
  readonly bookmarksCount: number | undefined
  /** Adds to the total. */
  readonly bookmarksAdded: number | undefined
  /** undefined: the database's time when the save is written. */
  readonly crawledAt: Date | undefined
  readonly sessionId: string | undefined
  readonly pageToken: string | undefined
  readonly headItemIds: readonly string[] | undefined
  /** IDs that were sent with the head and that the platform cannot have, each once. */
  readonly ignoredHeadItemIds: readonly string[]
  /** The head as it was sent. */
  readonly sentHeadItemIds: readonly string[] | undefined
  /** Compare-and-set: the version that the checkpoint must have; 0: there must be no checkpoint. */
  readonly expectedVersion: number | undefined
  readonly idempotencyKey: string | undefined
  readonly metrics: Metrics | undefined
  readonly rateLimitedUntil: Date | undefined
  /** Whether the head becomes the anchors, and the revision's source is IMPORT. */
  readonly importing: boolean
  /** The caller's name in the history. */
  readonly actor: string
  /** Whether the user does not exist for the caller. */
  readonly outOfReach: boolean
}

const EARLIEST_CRAWL = new Date('2000-01-01T00:00:00Z')
/**
 * How far crawledAt may be ahead of the database's time. A crawler's clock may be wrong, but a crawl dated tomorrow
 * would hide that the stream lags.
 */
const CRAWLED_AT_TOLERANCE_MS = 24 * 60 * 60 * 1000
const MAX_PAGE_TOKEN_BYTES = 8 * 1024
const MAX_HEAD_ITEMS = 50

const saveSchema = z.object({
  userId: identifierSchema,
  stream: streamNameSchema,
  bookmarksCount: bookmarkCountSchema.optional(),
  bookmarksAdded: bookmarkCountSchema.optional(),
  sessionId: identifierSchema.optional(),
  pageToken: z
    .string()
    .refine((token) => !/\0|\p{Surrogate}/u.test(token), 'must not contain NUL or unpaired surrogates')
    .refine((token) => Buffer.byteLength(token) <= MAX_PAGE_TOKEN_BYTES, 'must not be longer than 8 KiB')
    .optional(),
  // Those that are left out do not count: an odd ID refuses no save.
  headItemIds: z.array(z.string()).max(MAX_HEAD_ITEMS, `must not be more than ${MAX_HEAD_ITEMS}`).optional(),
  expectedVersion: z.number().int().min(0, 'must not be negative').optional(),
  idempotencyKey: nameSchema.optional(),
  metrics: metricsSchema.optional(),
})

export function toSaveCommand(
  input: SaveCheckpointInput,
  stream: string,
  { caller, importing }: { readonly caller: Principal; readonly importing: boolean },
): SaveCommand {
  // An empty head has no information, so it counts as not sent.
  const head = input.headItemIds?.length ? input.headItemIds : undefined
  return {
    userId: input.userId,
    stream,
    itemId: input.itemId ?? undefined,
    bookmarksCount: input.bookmarksCount ?? undefined,
    bookmarksAdded: input.bookmarksAdded ?? undefined,
    crawledAt: input.crawledAt ?? undefined,
    sessionId: input.sessionId ?? undefined,
    pageToken: input.pageToken ?? undefined,
    headItemIds: head,
    ignoredHeadItemIds: [],
    sentHeadItemIds: head,
    expectedVersion: input.expectedVersion ?? undefined,
    idempotencyKey: input.idempotencyKey ?? undefined,
    metrics: input.metrics ?? undefined,
    rateLimitedUntil: input.rateLimitedUntil ?? undefined,
    importing,
    actor: caller.subject,
    outOfReach: !reaches(caller.userIds, input.userId),
  }
}

/**
 * Leaves out of the head what the platform cannot have: an odd ID, e.g. of an advertisement, is no reason to refuse the
 * page. What the client gets back is what was left out.
 * @param now the database's time, for IDs with a time
 */
export function withSoundHead(command: SaveCommand, now: Date): SaveCommand {
  const { itemIds } = platformOf(command.stream)
  const odd = new Set(command.sentHeadItemIds?.filter((itemId) => itemIds.problem(itemId, now) !== undefined))
  if (odd.size === 0) return command
  const sound = command.sentHeadItemIds?.filter((itemId) => !odd.has(itemId)) ?? []
  return { ...command, headItemIds: sound.length > 0 ? sound : undefined, ignoredHeadItemIds: [...odd] }
}

/**
 * Checks everything about a save that needs no stored row, and reports every value that is wrong.
 * @param now the database's time, for IDs and times
 * @param path where the input is in the operation's arguments
 */
export function saveIssues(command: SaveCommand, now: Date, path: readonly string[]): InputIssue[] {
  const issues: InputIssue[] = issuesOf(saveSchema.safeParse(command), path)
  const report = (message: string, ...field: string[]) => issues.push({ path: [...path, ...field], message })
  if (command.itemId === undefined) reportWithoutItem(command, report)
  else {
    const itemIdProblem = platformOf(command.stream).itemIds.problem(command.itemId, now)
    if (itemIdProblem) report(itemIdProblem, 'itemId')
  }
  if (command.bookmarksCount !== undefined && command.bookmarksAdded !== undefined) {
    report('must not be sent together with bookmarksCount: send the total or the increment', 'bookmarksAdded')
  }
  if (command.crawledAt) {
    const latest = new Date(now.getTime() + CRAWLED_AT_TOLERANCE_MS)
    if (!(command.crawledAt >= EARLIEST_CRAWL && command.crawledAt <= latest)) {
      report(`must lie between ${EARLIEST_CRAWL.toISOString()} and ${latest.toISOString()}`, 'crawledAt')
    }
  }
  const limitProblem = command.rateLimitedUntil && rateLimitProblem(command.rateLimitedUntil, now)
  if (limitProblem) report(limitProblem, 'rateLimitedUntil')
  return issues
}

/** A page without items moves only the token of a session. */
function reportWithoutItem(command: SaveCommand, report: (message: string, ...field: string[]) => unknown): void {
  if (command.sessionId === undefined || command.pageToken === undefined) {
    report('may be null only with sessionId and pageToken: send the last item that was processed', 'itemId')
  }
  if ((command.bookmarksAdded ?? 0) > 0)
    report('must be 0 without itemId: a page without items adds none', 'bookmarksAdded')
  if (command.bookmarksCount !== undefined)
    report('must be absent without itemId: a page without items moves only the token', 'bookmarksCount')
  if (command.headItemIds) report('must be empty without itemId: a page without items has no head', 'headItemIds')
}

/**
 * The hash of what a repeat under the same idempotency key must have in common with the first save. The head counts as
 * it was sent: an ID that was left out because its time was still to come may be sound when the save is repeated.
 */
export function fingerprintOf(command: SaveCommand): string {
  const content = [
    command.itemId ?? null,
    command.bookmarksCount ?? null,
    command.bookmarksAdded ?? null,
    command.pageToken ?? null,
    command.sentHeadItemIds ?? null,
    command.expectedVersion ?? null,
  ]
  return createHash('sha256').update(JSON.stringify(content)).digest('base64')
}
