import type { Database } from '../database/database.ts'
import { sqlState } from '../database/errors.ts'
import { type SessionRow, toSession } from '../session/row.ts'
import type { CrawlSession } from '../session/model.ts'
import type { Checkpoint, SaveCommand } from './model.ts'
import { type CheckpointRow, toCheckpoint } from './store.ts'

/** What became of one save. Only SAVED wrote anything. */
export type SaveOutcome =
  | {
      readonly outcome: 'SAVED'
      readonly checkpoint: Checkpoint
      readonly created: boolean
      readonly session: CrawlSession | undefined
    }
  | { readonly outcome: 'SESSION_CLOSED'; readonly session: CrawlSession }
  | { readonly outcome: 'SESSION_NOT_FOUND' | 'USER_NOT_FOUND' | 'COUNT_OVERFLOW' }

interface OutcomeRow {
  readonly command: string
  readonly outcome: SaveOutcome['outcome'] | 'BUSY'
  readonly created: boolean
  readonly checkpoint: CheckpointRow | null
  readonly session: SessionRow | null
}

/** Commands in one set at the most: past 256 the gain per command is gone, and a set holds its locks until it is done. */
export const MAX_SET_SIZE = 256
const MAX_ATTEMPTS = 3

/**
 * Writes a set of saves in one statement and one transaction, and answers one outcome a command, in the set's order.
 * A command whose rows another transaction holds, and each command of a set that failed as a whole, is written alone
 * afterwards; its outcome is a promise, so that nothing of it delays or fails its neighbours.
 */
export async function saveCheckpoints(
  database: Database,
  commands: readonly SaveCommand[],
): Promise<readonly (SaveOutcome | Promise<SaveOutcome>)[]> {
  let outcomes: (SaveOutcome | 'BUSY')[]
  try {
    outcomes = await saveSet(database, commands, { skipBusy: true })
  } catch (error) {
    if (!isOneCommandsFault(error)) throw error
    outcomes = commands.map(() => 'BUSY')
  }
  // Saves of one key keep their order also when written alone.
  const lastOfKey = new Map<string, Promise<unknown>>()
  return commands.map((command, place) => {
    const outcome = outcomes[place] ?? 'BUSY'
    if (outcome !== 'BUSY') return outcome
    const key = JSON.stringify([command.userId, command.stream])
    const before = lastOfKey.get(key) ?? Promise.resolve()
    const alone = before.then(() => saveAlone(database, command))
    lastOfKey.set(
      key,
      alone.catch(() => undefined),
    )
    // The set's answer is read first; until then nobody listens to this promise.
    alone.catch(() => undefined)
    return alone
  })
}

async function saveAlone(database: Database, command: SaveCommand): Promise<SaveOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const [outcome] = await saveSet(database, [command], { skipBusy: false })
      if (outcome === undefined || outcome === 'BUSY') throw new Error('save_checkpoints judged nothing')
      return outcome
    } catch (error) {
      // The user was deleted between the look and the write.
      if (sqlState(error) === '23503') return { outcome: 'USER_NOT_FOUND' }
      if (sqlState(error) !== '40P01' || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

async function saveSet(
  database: Database,
  commands: readonly SaveCommand[],
  { skipBusy }: { skipBusy: boolean },
): Promise<(SaveOutcome | 'BUSY')[]> {
  const rows = await database.query<OutcomeRow>({
    name: 'save_checkpoints',
    text: 'SELECT * FROM crawler.save_checkpoints($1, $2, $3, $4, $5, $6, $7, $8) ORDER BY command',
    values: [
      commands.map((command) => command.userId),
      commands.map((command) => command.stream),
      commands.map((command) => command.itemId),
      commands.map((command) => command.bookmarksCount ?? null),
      commands.map((command) => command.bookmarksAdded ?? null),
      commands.map((command) => command.crawledAt ?? null),
      commands.map((command) => command.sessionId ?? null),
      skipBusy,
    ],
  })
  return rows.map(toOutcome)
}

function toOutcome({ outcome, created, checkpoint, session }: OutcomeRow): SaveOutcome | 'BUSY' {
  switch (outcome) {
    case 'BUSY':
      return outcome
    case 'SAVED':
      if (!checkpoint) throw new Error('save_checkpoints saved without a checkpoint')
      return {
        outcome,
        checkpoint: toCheckpoint(checkpoint),
        created,
        session: session ? toSession(session) : undefined,
      }
    case 'SESSION_CLOSED':
      if (!session) throw new Error('save_checkpoints refused for a session without telling it')
      return { outcome, session: toSession(session) }
    case 'SESSION_NOT_FOUND':
    case 'USER_NOT_FOUND':
    case 'COUNT_OVERFLOW':
      return { outcome }
  }
}

/** A user deleted meanwhile, a deadlock, a lock not got in time: one command's bad luck that rolled the whole set back. */
function isOneCommandsFault(error: unknown): boolean {
  const state = sqlState(error)
  return state === '23503' || state === '40P01' || state === '55P03'
}
