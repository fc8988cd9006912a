import type { Database } from '../../database/database.ts'
import { catchUpOf, type CheckpointKey, textOfKey } from '../checkpoint/model.ts'
import { type CheckpointRow, READINGS, toCheckpoint } from '../checkpoint/row.ts'
import { findPauses } from '../pause/store.ts'
import type { ImportCheckpointInput } from './input.ts'

type ItemIds = string[] | null
type ExportedRow = CheckpointRow & { readonly head: ItemIds; readonly anchors: ItemIds; readonly catchUpHead: ItemIds }

const itemIds = (column: string, as: string) =>
  `(SELECT l.item_ids FROM crawler.item_list l WHERE l.user_id = c.user_id AND l.list_id = st.${column}) AS "${as}"`

/**
 * The states of the next lists by userId and stream, as importCheckpoints takes them. A key never changes its place, so
 * a list that is saved meanwhile is neither missed nor met twice.
 * @param after the last list before them; undefined: from the first one
 */
export async function exportStates(
  database: Database,
  after: CheckpointKey | undefined,
  limit: number,
): Promise<ImportCheckpointInput[]> {
  const rows = await database.query<ExportedRow>({
    name: 'export_states',
    text: `SELECT ${READINGS.all.columns}, ${itemIds('head_list_id', 'head')}, ${itemIds('anchor_list_id', 'anchors')},
        ${itemIds('catch_up_head_list_id', 'catchUpHead')}
      FROM crawler.crawl_checkpoint c ${READINGS.all.join}
      WHERE (c.user_id, c.stream) > ($1, $2) ORDER BY c.user_id, c.stream LIMIT $3`,
    values: [after?.userId ?? '', after?.stream ?? '', limit],
  })
  const pauses = new Map((await findPauses(database, 'all', rows)).map((pause) => [textOfKey(pause), pause]))
  return rows.map((row): ImportCheckpointInput => {
    const { state, ...checkpoint } = toCheckpoint(row)
    const catchUp = catchUpOf(state)
    const pause = pauses.get(textOfKey(checkpoint))
    return {
      userId: checkpoint.userId,
      stream: checkpoint.stream,
      lastItemId: checkpoint.lastItemId,
      bookmarksCount: checkpoint.bookmarksCount,
      lastCrawledAt: checkpoint.lastCrawledAt,
      createdAt: checkpoint.createdAt,
      lastCompletedAt: state?.lastCompletedAt ?? null,
      pageToken: state?.pageToken ?? null,
      headItemIds: row.head ?? [],
      anchorItemIds: row.anchors ?? [],
      complete: state?.complete ?? false,
      fullPass: state?.fullPass ?? false,
      fullPassHasItem: state?.fullPassHasItem ?? false,
      catchUp: catchUp && {
        lastItemId: catchUp.lastItemId,
        pageToken: catchUp.pageToken,
        headItemIds: row.catchUpHead ?? [],
        startedAt: catchUp.startedAt,
      },
      pausedUntil: pause?.until ?? null,
      pauseReason: pause?.reason ?? null,
      pausedBy: pause?.pausedBy ?? null,
    }
  })
}
