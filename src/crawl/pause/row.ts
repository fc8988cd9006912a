import { mapColumns } from '../../database/columns.ts'
import type { Pause } from './model.ts'

/** The columns of crawler.crawl_pause. */
export const pauseColumns = mapColumns<Pause>({
  userId: 'user_id',
  stream: 'stream',
  until: { time: 'until' },
  reason: 'reason',
  pausedBy: 'paused_by',
})
