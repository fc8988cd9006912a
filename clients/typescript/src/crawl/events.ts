import type { Plan } from '../session.ts'
import type { CrawlReport } from './options.ts'

/** What a crawl tells while it runs. */
export type CrawlEvent =
  | { readonly type: 'started'; readonly sessionId: string; readonly mode: string; readonly plan: Plan }
  /** A page was fetched. */
  | {
      readonly type: 'page'
      readonly sessionId: string
      readonly items: number
      readonly pageToken: string | null
      readonly nextToken: string | null
    }
  /** The position was saved. itemId null: only the token moved. */
  | {
      readonly type: 'saved'
      readonly sessionId: string
      readonly itemId: string | null
      readonly pageToken: string | null
      readonly added: number
    }
  /** For the platform (RATE_LIMITED), or for the session that owns the list (BUSY). */
  | { readonly type: 'waiting'; readonly reason: 'RATE_LIMITED' | 'BUSY'; readonly until: Date | null }
  /** Somebody asked the session to stop, or `signal` aborted: this page is the last one. */
  | { readonly type: 'stopRequested'; readonly sessionId: string }
  | {
      readonly type: 'restartedFromTop'
      readonly sessionId: string
      readonly reason: 'TOKEN_REFUSED' | 'EMPTY_END' | 'LAST_ITEM_REMOVED'
    }
  | { readonly type: 'done'; readonly report: CrawlReport }
