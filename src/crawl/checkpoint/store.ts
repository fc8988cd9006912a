import type { Database, Statement } from '../../database/database.ts'
import { reachArray } from '../../database/reach.ts'
import type { Reach } from '../../identity/principal.ts'
import type { Checkpoint, CheckpointKey, LiteralCheckpoint } from './model.ts'
import { type CheckpointReading, type CheckpointRow, READINGS, toCheckpoint } from './row.ts'

/** The checkpoints that exist for these keys, in no particular order. */
export async function findCheckpoints(
  database: Database,
  reach: Reach,
  keys: readonly CheckpointKey[],
): Promise<Checkpoint[]> {
  return (await database.query<CheckpointRow>(byKey(reach, keys, 'all'))).map(toCheckpoint)
}

/** The same, without the columns of crawl_state. */
export function findLiteralCheckpoints(
  database: Database,
  reach: Reach,
  keys: readonly CheckpointKey[],
): Promise<LiteralCheckpoint[]> {
  return database.query<LiteralCheckpoint>(byKey(reach, keys, 'literal'))
}

function byKey(reach: Reach, keys: readonly CheckpointKey[], reading: CheckpointReading): Statement {
  const { columns, join } = READINGS[reading]
  return {
    name: `checkpoints_by_key_${reading}`,
    text: `SELECT ${columns} FROM unnest($1::text[], $2::text[]) AS k (user_id, stream)
      JOIN crawler.crawl_checkpoint c ON c.user_id = k.user_id AND c.stream = k.stream ${join}
      WHERE $3::text[] IS NULL OR c.user_id = ANY ($3)`,
    values: [keys.map((key) => key.userId), keys.map((key) => key.stream), reachArray(reach)],
  }
}
