import { DomainError } from '../../errors/domain-error.ts'
import type { Pause } from '../pause/model.ts'
import type { CrawlSession } from '../session/model.ts'

/**
 * FULL: from the top to the end. RESUME: continue after the position. INCREMENTAL: from the top until an anchor is met.
 * CATCH_UP: what is above the head of an unfinished crawl.
 */
export const RESUME_MODES = ['FULL', 'RESUME', 'INCREMENTAL', 'CATCH_UP'] as const
export type ResumeMode = (typeof RESUME_MODES)[number]

/** What a crawl has to do. crawler.plan_crawl decides it, from the rows of the list. */
export interface ResumePlan {
  readonly mode: ResumeMode
  /** The last processed item. If the crawler does not meet it in the list, it must not skip anything. */
  readonly afterItemId: string | null
  /** The page token to send to the platform, if one was saved. */
  readonly pageToken: string | null
  /** The list of at least two items where the crawl may stop; null: crawl to the end. */
  readonly untilListId: bigint | null
  /** Why, in words for somebody who reads the crawler's log. */
  readonly reason: string
  readonly previousSession: CrawlSession | null
  /** The list's pause, if it is paused now. */
  readonly pause: Pause | null
}

/** Nothing was written: a catch-up has nowhere to stop. */
export class CatchUpImpossibleError extends DomainError {
  readonly code = 'CATCH_UP_IMPOSSIBLE'

  /** @param reason a clause, e.g. "the stream is ASCENDING" */
  constructor(reason: string) {
    super(`A catch-up cannot run: ${reason}. Start with the mode AUTO, which continues the unfinished crawl.`)
  }
}
