import type { StartMode } from '../generated/documents.ts'
import type { CrawlEvent } from './events.ts'

/** What to do where another session owns the list: leave it, end that one, or wait so long at most. */
export type BusyRule = 'skip' | 'takeover' | { readonly waitMs: number }

export interface PageRequest {
  /** The platform's token of the page. Null: the top of the list. */
  readonly pageToken: string | null
  /** Aborts where the session is lost: nobody needs the page any more. */
  readonly signal: AbortSignal
  /** FULL, RESUME, INCREMENTAL or CATCH_UP. */
  readonly mode: string
}

/** One page of the list, newest first. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** The token of the page below. Null: this is the end. */
  readonly nextToken?: string | null | undefined
}

export interface ProcessContext {
  readonly sessionId: string
  readonly mode: string
  readonly signal: AbortSignal
}

type Awaitable<Value> = Value | Promise<Value>

export interface CrawlOptions<Item> {
  /** The user whose list it is. The user must be registered. */
  readonly userId: string
  /** Default: twitter/bookmarks. */
  readonly stream?: string | undefined
  /** AUTO (the default): what the plan says. FULL: the whole list again. CATCH_UP: what came on top of an unfinished crawl. */
  readonly mode?: StartMode | undefined
  /** How long a crashed crawler blocks the next one: 5 to 3600. Default: 60. */
  readonly leaseSeconds?: number | undefined
  /** Default: skip. */
  readonly busy?: BusyRule | undefined
  /** The longest wait for the platform, milliseconds. A longer one pauses the list. Default: 900,000. */
  readonly maxWaitMs?: number | undefined
  readonly worker?: string | undefined
  readonly outputFilePath?: string | undefined
  readonly directImport?: boolean | undefined
  readonly enableSummarization?: boolean | undefined
  /** Stops the crawl after the page that is under way. */
  readonly signal?: AbortSignal | undefined
  /** @returns the ID of an item, as the platform writes it */
  id(item: Item): string
  /**
   * Fetches a page.
   * @throws {RateLimited} to wait, {PageTokenRefused} to begin again at the top, {NeedsAttention} to pause the list
   */
  fetchPage(request: PageRequest): Awaitable<Page<Item>>
  /**
   * What the crawler is for. It is called before the save, so a page may come twice after a kill.
   * @returns how many items were new. Default: all
   */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a function that returns nothing fits
  process(items: Item[], context: ProcessContext): Awaitable<number | void>
  readonly onEvent?: ((event: CrawlEvent) => void) | undefined
}

/** What one session of a crawl did. */
export interface SessionReport {
  readonly sessionId: string
  readonly mode: string
  /** Pages that were fetched. */
  readonly pages: number
  /** Items that were processed. */
  readonly items: number
  /** Those of them that were new. */
  readonly added: number
}

export type CrawlReport = { readonly sessions: readonly SessionReport[] } & (
  | { readonly outcome: 'completed' | 'stopped' | 'lost' }
  | { readonly outcome: 'busy'; readonly retryAt: Date | null }
  | { readonly outcome: 'paused'; readonly until: Date; readonly reason: string | null }
)
