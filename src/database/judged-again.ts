import { sqlState } from './errors.ts'

/** Enough attempts for several writers that clear, move and save the same list at once. */
const MOST_JUDGEMENTS = 5

/**
 * Errors that another writer causes between a statement's look and its write, as PostgreSQL's codes. A new attempt
 * judges correctly. 23503: what was found is gone. 23505: somebody made the checkpoint first. 40P01: the writers
 * waited for each other.
 */
const JUDGED_AGAIN: ReadonlySet<string> = new Set(['23503', '23505', '40P01'])

/**
 * Sends a statement that judges and writes, and again if another writer got in between: it then finds what that
 * wrote.
 */
export async function judgedAgain<Answer>(judge: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await judge()
    } catch (error) {
      if (attempt === MOST_JUDGEMENTS || !JUDGED_AGAIN.has(sqlState(error) ?? '')) throw error
    }
  }
}

/**
 * An error of one row that rolled a whole set back: its user was deleted meanwhile, a deadlock, or a lock that was not
 * granted in time.
 */
export function isOneRowsFault(error: unknown): boolean {
  const state = sqlState(error)
  return state === '23503' || state === '40P01' || state === '55P03'
}
