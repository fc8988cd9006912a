import type { JsonRow } from '../../database/columns.ts'
import type { Pause } from '../pause/model.ts'
import { pauseColumns } from '../pause/row.ts'
import type { CrawlSession } from '../session/model.ts'
import { sessionColumns } from '../session/row.ts'
import type { ResumeMode, ResumePlan } from './model.ts'

/** What crawler.plan_crawl returns, as JSON. */
export interface PlanJson {
  readonly mode: ResumeMode
  readonly after_item_id: string | null
  readonly page_token: string | null
  readonly until_list_id: number | null
  readonly reason: string
  readonly previous: JsonRow<CrawlSession> | null
  readonly pause: JsonRow<Pause> | null
}

export function planFromJson(row: PlanJson): ResumePlan {
  return {
    mode: row.mode,
    afterItemId: row.after_item_id,
    pageToken: row.page_token,
    untilListId: row.until_list_id === null ? null : BigInt(row.until_list_id),
    reason: row.reason,
    previousSession: row.previous && sessionColumns.fromJson(row.previous),
    pause: row.pause && pauseColumns.fromJson(row.pause),
  }
}
