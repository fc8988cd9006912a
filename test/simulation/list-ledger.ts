import type { SimulatedList } from './simulated-list.ts'

/** What a session's plan says of where it begins. */
export interface Begun {
  readonly mode: string
  readonly afterItemId: string | null
  readonly pageToken: string | null
}

/** Knows what the crawls of one list had to process, and what they missed. */
export class ListLedger {
  readonly processed = new Set<string>()
  readonly #userId: string
  readonly #list: SimulatedList
  /** When the crawl that is unfinished began, and whether it is of the whole list. */
  #crawl: { readonly since: number; readonly isWhole: boolean } | undefined
  #catchUpSince: number | undefined
  /** From when on what came to the top has not been caught up with. */
  #behindSince = 0
  /** Crawls that completed, and the items that they missed. */
  readonly report = { crawls: 0, fullPasses: 0, catchUps: 0, missed: [] as string[] }

  constructor(userId: string, list: SimulatedList) {
    this.#userId = userId
    this.#list = list
  }

  /** A session has begun. @param isAnew whether it was asked for a full pass */
  begin({ mode, afterItemId, pageToken }: Begun, isAnew: boolean): void {
    const { now } = this.#list
    // Of an earlier session nothing was kept. This one sees all that has come meanwhile.
    const isFromTop = afterItemId === null && pageToken === null
    if (mode === 'CATCH_UP') {
      if (isFromTop || this.#catchUpSince === undefined) this.#catchUpSince = now
    } else if (!this.#crawl || isAnew || isFromTop) {
      this.#crawl = { since: now, isWhole: mode === 'FULL' }
      this.#catchUpSince = undefined
      this.#behindSince = now
    }
  }

  /** A session has completed. Counts what was there throughout and was never processed. */
  finish(planMode: string): void {
    const since = planMode === 'CATCH_UP' ? this.#catchUpSince : this.#crawl?.since
    if (since === undefined) throw new Error('an end without a begin')
    const isWhole = planMode !== 'CATCH_UP' && this.#crawl?.isWhole === true
    for (const entry of this.#list.shown()) {
      const isDue = planMode !== 'CATCH_UP' || (entry.since > this.#behindSince && !entry.isBelow)
      const isSeen = isDue && entry.since < since && (isWhole || !entry.isBelow)
      if (isSeen && !this.processed.has(entry.id)) this.report.missed.push(`${this.#userId} ${entry.id} by ${planMode}`)
    }
    if (planMode === 'CATCH_UP') {
      this.report.catchUps += 1
      this.#behindSince = since
    } else {
      this.report.crawls += 1
      if (isWhole) this.report.fullPasses += 1
      this.#crawl = undefined
    }
    this.#catchUpSince = undefined
  }
}
