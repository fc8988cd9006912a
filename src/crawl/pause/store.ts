import type { JsonRow } from '../../database/columns.ts'
import type { Database } from '../../database/database.ts'
import { sqlState } from '../../database/errors.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { CheckpointKey } from '../checkpoint/model.ts'
import type { CrawlSession } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'
import type { Pause } from './model.ts'
import { pauseColumns } from './row.ts'

/** The pauses of these lists that have not run out, in no particular order. */
export function findPauses(database: Database, reach: Reach, keys: readonly CheckpointKey[]): Promise<Pause[]> {
  return database.query<Pause>({
    name: 'pauses_by_key',
    text: `SELECT ${pauseColumns.selected('p')} FROM unnest($1::text[], $2::text[]) AS k (user_id, stream)
      JOIN crawler.crawl_pause p ON p.user_id = k.user_id AND p.stream = k.stream
      WHERE p.until > crawler.clock() AND ($3::text[] IS NULL OR p.user_id = ANY ($3))`,
    values: [keys.map((key) => key.userId), keys.map((key) => key.stream), reachArray(reach)],
  })
}

export type PauseOutcome =
  | { readonly outcome: 'PAUSED'; readonly pause: Pause }
  | { readonly outcome: 'SESSION_NOT_FOUND' | 'USER_NOT_FOUND' }
  | { readonly outcome: 'SESSION_CLOSED'; readonly session: CrawlSession }
  | { readonly outcome: 'STALE_EPOCH'; readonly currentEpoch: number }

export interface NewPause extends CheckpointKey {
  readonly until: Date
  readonly reason: string | undefined
  /** The session that asks; undefined: an operator does. */
  readonly sessionId: string | undefined
  /** The caller's name. */
  readonly actor: string
}

/** Judges and pauses in one statement, under the rows' locks. */
export async function pauseList(database: Database, reach: Reach, pause: NewPause): Promise<PauseOutcome> {
  const [row] = await database
    .write<{
      outcome: PauseOutcome['outcome']
      session: JsonRow<CrawlSession> | null
      detail: number | null
      pause: JsonRow<Pause> | null
      told: boolean
    }>(
      {
        name: 'pause_crawl',
        text: 'SELECT * FROM crawler.pause_crawl($1, $2, $3, $4, $5, $6, $7)',
        values: [
          pause.userId,
          pause.stream,
          pause.until,
          pause.reason ?? null,
          pause.sessionId ?? null,
          pause.actor,
          reachArray(reach),
        ],
      },
      hasNews,
    )
    .catch((error: unknown) => {
      // The user was deleted between the statement's look and its write.
      if (sqlState(error) !== '23503') throw error
      return [{ outcome: 'USER_NOT_FOUND' as const, session: null, detail: null, pause: null, told: false }]
    })
  switch (row?.outcome) {
    case 'PAUSED':
      if (!row.pause) break
      return { outcome: row.outcome, pause: pauseColumns.fromJson(row.pause) }
    case 'SESSION_CLOSED':
      if (!row.session) break
      return { outcome: row.outcome, session: sessionColumns.fromJson(row.session) }
    case 'STALE_EPOCH':
      return { outcome: row.outcome, currentEpoch: row.detail ?? 0 }
    case 'SESSION_NOT_FOUND':
    case 'USER_NOT_FOUND':
      return { outcome: row.outcome }
    case undefined:
      break
  }
  throw new Error('pause_crawl left out what it promises')
}

/** Ends the pause of a list, if there is one. */
export async function unpauseList(
  database: Database,
  reach: Reach,
  { userId, stream }: CheckpointKey,
): Promise<'UNPAUSED' | 'USER_NOT_FOUND'> {
  const [row] = await database.write<{ outcome: 'UNPAUSED' | 'USER_NOT_FOUND'; told: boolean }>(
    {
      name: 'unpause_crawl',
      text: 'SELECT * FROM crawler.unpause_crawl($1, $2, $3)',
      values: [userId, stream, reachArray(reach)],
    },
    hasNews,
  )
  if (!row) throw new Error('unpause_crawl answered nothing')
  return row.outcome
}

const hasNews = (rows: readonly { readonly told: boolean }[]) => rows.some(({ told }) => told)
