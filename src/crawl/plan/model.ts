import type { Checkpoint } from '../checkpoint/model.ts'
import { type CrawlSession, statusFromColumn } from '../session/model.ts'

/**
 * FULL: from the top to the end. RESUME: continue after the position. INCREMENTAL: from the top until an anchor is met.
 */
export type ResumeMode = 'FULL' | 'RESUME' | 'INCREMENTAL'

export interface ResumePlan {
  readonly mode: ResumeMode
  /** RESUME: the last processed item. If the crawler does not meet it in the list, it must not skip anything. */
  readonly afterItemId: string | null
  /** RESUME: the page token to send to the platform, if one was saved. */
  readonly pageToken: string | null
  /** The list that holds the anchors; null: there are no anchors, crawl to the end. */
  readonly anchorListId: bigint | null
  /** Why, in words for somebody who reads the crawler's log. */
  readonly reason: string
  readonly previousSession: CrawlSession | null
}

/**
 * What the next crawl has to do. The mode follows from the checkpoint alone, never from how the last session ended. A
 * session can fail after its crawl completed, or complete a crawl that it did not begin: its status does not say what
 * was processed.
 * @param previous the last session of the stream before the one that asks
 */
export function planOf(checkpoint: Checkpoint | undefined, previous: CrawlSession | null): ResumePlan {
  const previousSession = previous
  if (!checkpoint) {
    const reason = previous
      ? `there is no checkpoint: ${tellEnd(previous)} and left none; crawl from the top to the end`
      : 'there is no checkpoint and has been no session: crawl from the top to the end'
    return { mode: 'FULL', afterItemId: null, pageToken: null, anchorListId: null, reason, previousSession }
  }
  const anchorListId = checkpoint.state?.anchorListId ?? null
  if (checkpoint.state?.complete) {
    const reason = `the last crawl is complete at ${checkpoint.bookmarksCount} bookmarks: crawl from the top until an anchor is met`
    return { mode: 'INCREMENTAL', afterItemId: null, pageToken: null, anchorListId, reason, previousSession }
  }
  const pageToken = checkpoint.state?.pageToken ?? null
  const token =
    pageToken === null ? 'no page token was saved: skip from the top to after afterItemId' : 'its page token is kept'
  const end = anchorListId === null ? 'to the end' : 'until an anchor is met'
  return {
    mode: 'RESUME',
    afterItemId: checkpoint.lastItemId,
    pageToken,
    anchorListId,
    reason: `${tellInterruption(previous)}, and the checkpoint stands at ${checkpoint.bookmarksCount}; ${token}; carry on ${end}`,
    previousSession,
  }
}

function tellInterruption(previous: CrawlSession | null): string {
  if (!previous) return 'the last crawl did not complete'
  // A completed session left a complete checkpoint, so somebody has written it since.
  return previous.status === 'completed'
    ? `${tellEnd(previous)}, but the checkpoint was written since`
    : tellEnd(previous)
}

function tellEnd(session: CrawlSession): string {
  const at = (session.completedAt ?? session.startedAt).toISOString().slice(0, 16).replace('T', ' ')
  const after = `after ${session.bookmarksProcessed} bookmarks`
  switch (statusFromColumn(session.status)) {
    case 'running':
      return `the last crawl started at ${at} UTC and has not ended, ${after}`
    case 'completed':
      return `the last crawl completed at ${at} UTC ${after}`
    case 'stopped':
      return `the last crawl was stopped at ${at} UTC ${after}`
    case 'failed':
      return `the last crawl failed at ${at} UTC ${after}${session.errorMessage ? ` (${session.errorMessage.slice(0, 200)})` : ''}`
  }
}
