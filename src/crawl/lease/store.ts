import { checkpointFromJson, type CheckpointJson } from '../checkpoint/row.ts'
import type { Checkpoint } from '../checkpoint/model.ts'
import type { JsonRow } from '../../database/columns.ts'
import type { Database } from '../../database/database.ts'
import { sqlState } from '../../database/errors.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { Metrics } from '../session/metrics.ts'
import type { CrawlSession, EndStatus, StartMode } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'
import type { Pause } from '../pause/model.ts'
import type { ResumePlan } from '../plan/model.ts'
import { planFromJson, type PlanJson } from '../plan/row.ts'

export interface NewSession {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly directImport: boolean
  readonly enableSummarization: boolean
  readonly outputFilePath: string | undefined
  readonly leaseSeconds: number
  readonly worker: string | undefined
  /** Ends the present owner, and this session owns the stream. */
  readonly takeover: boolean
  readonly idempotencyKey: string | undefined
  readonly mode: StartMode
  /** Starts although the list is paused. */
  readonly ignorePause: boolean
  /** The caller's name in the history. */
  readonly actor: string
}

export interface StartedSession {
  readonly session: CrawlSession
  /** Where to resume; undefined: crawl from the beginning. */
  readonly checkpoint: Checkpoint | undefined
  readonly plan: ResumePlan
}

export type StartOutcome =
  | ({ readonly outcome: 'STARTED' } & StartedSession)
  | { readonly outcome: 'STREAM_PAUSED'; readonly pause: Pause }
  | { readonly outcome: 'CATCH_UP_IMPOSSIBLE'; readonly reason: string }
  | { readonly outcome: 'USER_NOT_FOUND' }
  | { readonly outcome: 'STREAM_BUSY'; readonly session: CrawlSession }
  /** undefined: the session belongs to a user out of reach. */
  | { readonly outcome: 'SESSION_EXISTS'; readonly session: CrawlSession | undefined }

const MAX_ATTEMPTS = 3

/** Reserves the stream for a new session. One statement judges and writes, under the rows' locks. */
export async function insertSession(
  database: Database,
  reach: Reach,
  session: NewSession,
  attempt = 1,
): Promise<StartOutcome> {
  try {
    const [row] = await database.write<{
      outcome: StartOutcome['outcome']
      session: JsonRow<CrawlSession> | null
      checkpoint: CheckpointJson | null
      plan: PlanJson | null
    }>({
      name: 'start_crawl',
      text: 'SELECT * FROM crawler.start_crawl($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)',
      values: [
        session.userId,
        session.stream,
        session.sessionId,
        session.directImport,
        session.enableSummarization,
        session.outputFilePath ?? null,
        session.leaseSeconds,
        session.worker ?? null,
        session.takeover,
        session.idempotencyKey ?? null,
        session.mode,
        session.ignorePause,
        session.actor,
        reachArray(reach),
      ],
    })
    if (row?.outcome === 'USER_NOT_FOUND') return { outcome: row.outcome }
    if (row?.outcome === 'SESSION_EXISTS') {
      return { outcome: row.outcome, session: row.session ? sessionColumns.fromJson(row.session) : undefined }
    }
    const plan = row?.plan ? planFromJson(row.plan) : undefined
    if (row?.outcome === 'STREAM_PAUSED' && plan?.pause) return { outcome: row.outcome, pause: plan.pause }
    if (row?.outcome === 'CATCH_UP_IMPOSSIBLE' && plan) return { outcome: row.outcome, reason: plan.reason }
    if (row?.outcome === 'STREAM_BUSY' && row.session) {
      return { outcome: row.outcome, session: sessionColumns.fromJson(row.session) }
    }
    if (row?.outcome !== 'STARTED' || !row.session || !plan) throw new Error('start_crawl left out what it promises')
    const checkpoint = row.checkpoint ? checkpointFromJson(row.checkpoint) : undefined
    return { outcome: row.outcome, session: sessionColumns.fromJson(row.session), checkpoint, plan }
  } catch (error) {
    const state = sqlState(error)
    // The user was deleted between the statement's look and its write.
    if (state === '23503') return { outcome: 'USER_NOT_FOUND' }
    // Another start took the ID on another stream between the look and the write, or a foreign writer caused a
    // deadlock: try again.
    if ((state === '23505' || state === '40P01') && attempt < MAX_ATTEMPTS) {
      return insertSession(database, reach, session, attempt + 1)
    }
    throw error
  }
}

export type SessionWriteOutcome =
  | { readonly outcome: 'WRITTEN' | 'ENDED' | 'UNCHANGED' | 'SESSION_CLOSED'; readonly session: CrawlSession }
  | { readonly outcome: 'STALE_EPOCH'; readonly currentEpoch: number }
  | { readonly outcome: 'SESSION_NOT_FOUND' | 'COUNT_OVERFLOW' }

/** A heartbeat adds an event to the outbox if it is the first to report a rate limit. */
const isLimitTold = ([row]: readonly WriteRow[]) => row?.outcome === 'WRITTEN' && row.detail === 1

interface WriteRow {
  readonly outcome: SessionWriteOutcome['outcome']
  readonly session: JsonRow<CrawlSession> | null
  readonly detail: number | null
}

/** Renews a running session's lease and adds up what it reports. A total lower than the stored one changes nothing. */
export async function recordHeartbeat(
  database: Database,
  reach: Reach,
  sessionId: string,
  report: {
    readonly bookmarksProcessed: number | undefined
    readonly metrics: Metrics | undefined
    readonly rateLimitedUntil: Date | undefined
  },
): Promise<SessionWriteOutcome> {
  const statement = {
    name: 'session_heartbeat',
    text: 'SELECT * FROM crawler.heartbeat($1, $2, $3, $4, $5, $6)',
    values: [
      sessionId,
      report.bookmarksProcessed ?? null,
      report.metrics?.apiRequests ?? null,
      report.metrics?.rateLimitHits ?? null,
      report.rateLimitedUntil ?? null,
      reachArray(reach),
    ],
  }
  const rows = await database.write<WriteRow>(statement, isLimitTold)
  return toOutcome(rows)
}

export interface SessionEnd {
  readonly status: EndStatus
  readonly bookmarksProcessed: number | undefined
  readonly outputFilePath: string | undefined
  readonly errorMessage: string | undefined
}

/**
 * Ends a running session. A session that has ended stays as it is. If it completed, the crawl's head becomes the
 * anchors.
 */
export async function endSession(
  database: Database,
  reach: Reach,
  sessionId: string,
  end: SessionEnd,
  actor: string,
): Promise<SessionWriteOutcome> {
  const rows = await database.write<WriteRow>({
    name: 'session_end',
    text: 'SELECT * FROM crawler.end_session($1, $2, $3, $4, $5, $6, $7)',
    values: [
      sessionId,
      end.status,
      end.bookmarksProcessed ?? null,
      end.outputFilePath ?? null,
      end.errorMessage ?? null,
      actor,
      reachArray(reach),
    ],
  })
  return toOutcome(rows)
}

/**
 * Asks a running session to stop. The time of the first request is kept.
 * @returns undefined: there is no such session, or it has ended
 */
export async function markStopRequested(
  database: Database,
  reach: Reach,
  sessionId: string,
): Promise<CrawlSession | undefined> {
  const [session] = await database.write<CrawlSession>({
    name: 'session_request_stop',
    text: `UPDATE crawler.crawl_session s SET stop_requested_at = coalesce(s.stop_requested_at, crawler.clock())
      WHERE s.session_id = $1 AND s.status = 'running' AND ($2::text[] IS NULL OR s.user_id = ANY ($2))
      RETURNING ${sessionColumns.selected('s')}`,
    values: [sessionId, reachArray(reach)],
  })
  return session
}

function toOutcome([row]: readonly WriteRow[]): SessionWriteOutcome {
  if (!row) throw new Error('the session was not judged')
  switch (row.outcome) {
    case 'STALE_EPOCH':
      return { outcome: row.outcome, currentEpoch: row.detail ?? 0 }
    case 'SESSION_NOT_FOUND':
    case 'COUNT_OVERFLOW':
      return { outcome: row.outcome }
    case 'WRITTEN':
    case 'ENDED':
    case 'UNCHANGED':
    case 'SESSION_CLOSED':
      if (!row.session) throw new Error(`the session was left out of ${row.outcome}`)
      return { outcome: row.outcome, session: sessionColumns.fromJson(row.session) }
  }
}
