import { DURABLE_COMMIT } from './connection/session-settings.ts'
import pg from 'pg'
import type { Database } from './database.ts'
import { sqlState } from './errors.ts'

/** How many IDs a partition of crawler.feed_event or crawler.idempotency_key can hold (migrations 005 and 006). */
export const IDS_PER_PARTITION = 100_000_000_000n

/** A table that only grows. It is partitioned by an ID from a sequence; crawler.log_partition lists its partitions. */
export interface GrowingTable {
  readonly name: 'feed_event' | 'idempotency_key'
  /** How long rows have to be kept. */
  readonly keepHours: number
  /** How long one partition is written to. Rows are kept for at most this much longer. */
  readonly partitionHours: number
  /** Asked before a partition that is old enough is retired; false: not yet. Default: always true. */
  readonly mayRetire?: (partition: Partition) => Promise<boolean>
}

export interface Partition {
  readonly firstId: bigint
  /** Exclusive. */
  readonly endId: bigint
}

/** How long a detach waits for transactions that use the table, milliseconds. Nobody waits for it meanwhile. */
const DETACH_WAIT_MS = 3_000
const DROP_WAIT_MS = 1_000

/**
 * Opens the next partition when it is time, makes the one after it in advance, and retires the partitions in which
 * everything is old enough: it detaches them CONCURRENTLY, then drops them. Readers and writers of the table are never
 * blocked, whatever transactions are open. It finishes what an earlier run left incomplete (a crash, a wait for a
 * transaction that took too long). Any number of replicas may call it; one at a time retires.
 * @param signal ends it after the current partition
 * @returns how many partitions were dropped
 */
export async function keepPartitions(database: Database, table: GrowingTable, signal?: AbortSignal): Promise<number> {
  const noNews = () => false
  await database.write(
    {
      text: `SELECT crawler.open_partition($1, $2 * interval '1 hour')`,
      values: [table.name, table.partitionHours],
    },
    noNews,
  )
  await database.write({ text: 'SELECT crawler.make_partition($1)', values: [table.name] }, noNews)
  const [oldest] = await findOld(database, table)
  if (oldest === undefined || !(await isReady(table, oldest))) return 0
  const client = await database.connect('waymark retention')
  try {
    await client.query(
      `SELECT set_config('statement_timeout', '0', false), set_config('synchronous_commit', ${DURABLE_COMMIT}, false)`,
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

/**
 * The partitions in which every row is old enough, the oldest first. A partition's last row is older than the opening
 * of the next partition.
 */
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

/** Whether a partition may be retired. A retirement that has begun is finished in any case. */
async function isReady({ mayRetire }: GrowingTable, partition: OldPartition): Promise<boolean> {
  if (!mayRetire || !partition.attached || partition.detaching) return true
  return mayRetire({ firstId: BigInt(partition.first_id), endId: BigInt(partition.end_id) })
}

/** @returns false: it has to wait for another run */
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
 * DETACH ... CONCURRENTLY waits for every transaction that has used the table, so an open transaction can delay it for
 * long. When it gives up, new statements no longer see the partition, and FINALIZE does the rest. FINALIZE waits only
 * for statements that began earlier.
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
