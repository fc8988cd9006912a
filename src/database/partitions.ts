import pg from 'pg'
import type { Database } from './database.ts'
import { sqlState } from './errors.ts'

/** How many IDs a partition of crawler.feed_event or crawler.idempotency_key has room for (migrations 005 and 006). */
export const IDS_PER_PARTITION = 100_000_000_000n

/** A table that only grows, partitioned by an ID from a sequence; its partitions are in crawler.log_partition. */
export interface GrowingTable {
  readonly name: 'feed_event' | 'idempotency_key'
  /** How long what was written has to be kept. */
  readonly keepHours: number
  /** For how long one partition is written; so much longer is kept, at the most. */
  readonly partitionHours: number
  /** Asked before a partition that is old enough is retired; false: not yet. Default: always. */
  readonly mayRetire?: (partition: Partition) => Promise<boolean>
}

export interface Partition {
  readonly firstId: bigint
  /** Exclusive. */
  readonly endId: bigint
}

/** A detach may wait so long for transactions that use the table; it holds nobody up meanwhile. */
const DETACH_WAIT_MS = 3_000
const DROP_WAIT_MS = 1_000

/**
 * Opens the next partition when it is time, makes the one after it ahead, and retires those in which everything is old
 * enough: detached CONCURRENTLY, then dropped. Readers and writers of the table go on throughout, whatever
 * transactions are open. What an earlier run left half done (a crash, a transaction that was waited for too long) is
 * finished. Any number of replicas may call it; one at a time retires.
 * @returns how many partitions were dropped
 */
export async function keepPartitions(database: Database, table: GrowingTable, signal?: AbortSignal): Promise<number> {
  await database.query({
    text: `SELECT crawler.open_partition($1, $2 * interval '1 hour')`,
    values: [table.name, table.partitionHours],
  })
  await database.query({ text: 'SELECT crawler.make_partition($1)', values: [table.name] })
  const [oldest] = await findOld(database, table)
  if (oldest === undefined || !(await isReady(table, oldest))) return 0
  const client = await database.connect('waymark retention')
  try {
    await client.query(
      `SELECT set_config('statement_timeout', '0', false), set_config('synchronous_commit', 'on', false)`,
    )
    const { rows } = await client.query<{ locked: boolean }>(
      `SELECT pg_try_advisory_lock(hashtextextended('waymark partitions', 0)) AS locked`,
    )
    if (!rows[0]?.locked) return 0
    let dropped = 0
    for (const partition of await findOld(database, table)) {
      if (signal?.aborted || !(await isReady(table, partition)) || !(await retire(client, table, partition))) break
      dropped += 1
    }
    return dropped
  } finally {
    await client.end()
  }
}

interface OldPartition {
  readonly name: string
  readonly first_id: string
  readonly end_id: string
  readonly attached: boolean
  readonly detaching: boolean
}

/** The oldest first. What was written last in one was written before the next was opened. */
function findOld(database: Database, { name, keepHours }: GrowingTable): Promise<OldPartition[]> {
  return database.query<OldPartition>({
    text: `SELECT p.name, p.first_id, p.end_id, coalesce(c.relispartition, false) AS attached,
        coalesce(i.inhdetachpending, false) AS detaching
      FROM crawler.log_partition p
        JOIN crawler.log_partition next ON next.parent = p.parent AND next.first_id = p.end_id
        LEFT JOIN pg_class c ON c.relnamespace = 'crawler'::regnamespace AND c.relname = p.name
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
      WHERE p.parent = $1 AND next.opened_at < crawler.clock() - $2 * interval '1 hour'
      ORDER BY p.first_id`,
    values: [name, keepHours],
  })
}

/** What was begun is finished, whatever is said of it now. */
async function isReady({ mayRetire }: GrowingTable, partition: OldPartition): Promise<boolean> {
  if (!mayRetire || !partition.attached || partition.detaching) return true
  return mayRetire({ firstId: BigInt(partition.first_id), endId: BigInt(partition.end_id) })
}

/** @returns false where it has to wait for another run */
async function retire(client: pg.Client, table: GrowingTable, partition: OldPartition): Promise<boolean> {
  try {
    if (partition.attached) await detach(client, table.name, partition)
    await client.query(`SELECT set_config('lock_timeout', $1, false)`, [`${DROP_WAIT_MS}ms`])
    const { rows } = await client.query<{ dropped: boolean }>('SELECT crawler.drop_partition($1) AS dropped', [
      partition.name,
    ])
    return rows[0]?.dropped ?? false
  } catch (error) {
    if (sqlState(error) === '55P03') return false
    throw error
  }
}

/**
 * DETACH ... CONCURRENTLY waits for every transaction that has used the table, so one that stays open keeps it
 * waiting. Given up, it leaves the partition detached for every new statement, and FINALIZE does the rest: that waits
 * for the statements of before only.
 */
async function detach(client: pg.Client, parent: string, { name, detaching }: OldPartition): Promise<void> {
  const statement = `ALTER TABLE crawler.${pg.escapeIdentifier(parent)} DETACH PARTITION crawler.${pg.escapeIdentifier(name)}`
  await client.query(`SELECT set_config('lock_timeout', $1, false)`, [`${DETACH_WAIT_MS}ms`])
  if (!detaching) {
    try {
      await client.query(`${statement} CONCURRENTLY`)
      return
    } catch (error) {
      if (sqlState(error) !== '55P03') throw error
    }
  }
  await client.query(`${statement} FINALIZE`)
}
