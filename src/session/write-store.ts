import type { Database } from '../database/database.ts'
import { sqlState } from '../database/errors.ts'
import type { CrawlSession, EndStatus } from './model.ts'
import { SESSION_COLUMNS, type SessionRow, toSession } from './row.ts'
import { findSession } from './store.ts'

export interface NewSession {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly directImport: boolean
  readonly enableSummarization: boolean
  readonly outputFilePath: string | undefined
}

export type InsertSessionOutcome =
  | { readonly outcome: 'STARTED'; readonly session: CrawlSession }
  | { readonly outcome: 'USER_NOT_FOUND' }
  | { readonly outcome: 'SESSION_EXISTS'; readonly session: CrawlSession }

/** Starts a session of a known user under an ID that nobody has. */
export async function insertSession(database: Database, session: NewSession): Promise<InsertSessionOutcome> {
  const taken = async () => {
    const existing = await findSession(database, session.sessionId)
    return existing && ({ outcome: 'SESSION_EXISTS', session: existing } as const)
  }
  const known = await database.query({
    name: 'user_exists',
    text: 'SELECT FROM public."user" WHERE id = $1',
    values: [session.userId],
  })
  if (known.length === 0) return { outcome: 'USER_NOT_FOUND' }
  try {
    const [row] = await database.query<SessionRow>({
      name: 'session_insert',
      text: `INSERT INTO crawler.crawl_session AS s
          (session_id, user_id, stream, started_at, status, direct_import, enable_summarization, output_file_path)
        VALUES ($1, $2, $3, crawler.clock(), 'running', $4, $5, $6)
        ON CONFLICT (session_id) DO NOTHING RETURNING ${SESSION_COLUMNS}`,
      values: [
        session.sessionId,
        session.userId,
        session.stream,
        session.directImport,
        session.enableSummarization,
        session.outputFilePath ?? null,
      ],
    })
    if (row) return { outcome: 'STARTED', session: toSession(row) }
  } catch (error) {
    // The user was deleted between the look and the write.
    if (sqlState(error) === '23503') return { outcome: 'USER_NOT_FOUND' }
    throw error
  }
  // Taken, and perhaps gone again by now: then this is the first of its name after all.
  return (await taken()) ?? insertSession(database, session)
}

/** closed: ended before, and not changed; undefined: there is no such session. */
export interface SessionWriteOutcome {
  readonly outcome: 'WRITTEN' | 'CLOSED'
  readonly session: CrawlSession
}

/**
 * Raises a running session's total; a lower one than stored changes nothing. Judged and written by one statement, so a
 * session that ends at the same time is never written afterwards.
 */
export async function reportProgress(
  database: Database,
  sessionId: string,
  bookmarksProcessed: number | undefined,
): Promise<SessionWriteOutcome | undefined> {
  const rows =
    bookmarksProcessed === undefined
      ? []
      : await database.query<SessionRow>({
          name: 'session_heartbeat',
          text: `UPDATE crawler.crawl_session s SET bookmarks_processed = greatest(s.bookmarks_processed, $2)
            WHERE s.session_id = $1 AND s.status = 'running' RETURNING ${SESSION_COLUMNS}`,
          values: [sessionId, bookmarksProcessed],
        })
  return writtenOrFound(database, sessionId, rows)
}

export interface SessionEnd {
  readonly status: EndStatus
  readonly bookmarksProcessed: number | undefined
  readonly outputFilePath: string | undefined
  readonly errorMessage: string | undefined
}

/** Ends a running session; one that has ended is left as it is. Judged and written by one statement. */
export async function endSession(
  database: Database,
  sessionId: string,
  end: SessionEnd,
): Promise<SessionWriteOutcome | undefined> {
  const rows = await database.query<SessionRow>({
    name: 'session_end',
    text: `UPDATE crawler.crawl_session s
      SET status = $2, completed_at = crawler.clock(),
          bookmarks_processed = greatest(s.bookmarks_processed, $3),
          output_file_path = coalesce($4, s.output_file_path), error_message = coalesce($5, s.error_message)
      WHERE s.session_id = $1 AND s.status = 'running' RETURNING ${SESSION_COLUMNS}`,
    values: [
      sessionId,
      end.status,
      end.bookmarksProcessed ?? null,
      end.outputFilePath ?? null,
      end.errorMessage ?? null,
    ],
  })
  return writtenOrFound(database, sessionId, rows)
}

async function writtenOrFound(
  database: Database,
  sessionId: string,
  rows: readonly SessionRow[],
): Promise<SessionWriteOutcome | undefined> {
  const [row] = rows
  if (row) return { outcome: 'WRITTEN', session: toSession(row) }
  const session = await findSession(database, sessionId)
  return session && { outcome: session.status === 'running' ? 'WRITTEN' : 'CLOSED', session }
}
