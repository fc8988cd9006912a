import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'

const LOOK_AGAIN_MS = 100

/**
 * Runs `use` while no other process migrates this database: the others wait for their turn. The turn belongs to the
 * session, so a killed process loses it as soon as PostgreSQL has ended its statement.
 * A waiting process polls instead of waiting inside a statement. CREATE INDEX CONCURRENTLY waits for every open
 * snapshot, so a process that waited for its turn in a statement would block the process that has the turn.
 * @param turnTimeoutMs how long to wait for the turn, milliseconds
 * @throws StartupError if another process has the turn for longer
 */
export async function withTurn<Result>(
  client: pg.Client,
  turnTimeoutMs: number,
  use: () => Promise<Result>,
): Promise<Result> {
  const deadline = performance.now() + turnTimeoutMs
  while (!(await tryLock(client))) {
    if (performance.now() > deadline) {
      throw new StartupError(
        'Another process migrates this database: try again when it is done (pg_stat_activity shows it).',
      )
    }
    await delay(LOOK_AGAIN_MS)
  }
  try {
    return await use()
  } finally {
    await client.query(`SELECT pg_advisory_unlock(hashtextextended('waymark migrate', 0))`).catch(() => undefined)
  }
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `SELECT pg_try_advisory_lock(hashtextextended('waymark migrate', 0)) AS locked`,
  )
  return rows[0]?.locked ?? false
}
