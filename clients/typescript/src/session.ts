import { LostError } from './errors.ts'
import type { CheckpointFieldsFragment, PlanFieldsFragment } from './generated/documents.ts'
import {
  CompleteSessionDocument,
  FailSessionDocument,
  HeartbeatDocument,
  PauseCrawlDocument,
  SavePageDocument,
  StopSessionDocument,
} from './generated/documents.ts'
import { randomKey } from './random-key.ts'
import { accept } from './refusals.ts'
import type { RequestOptions } from './transport.ts'
import type { DocumentTypeDecoration } from './typed-document.ts'

export type Checkpoint = CheckpointFieldsFragment
/** Where a crawl begins, where it may stop, and why. */
export type Plan = PlanFieldsFragment

/** Sends a typed document; Waymark.request is one. */
export type Send = <Result, Variables extends object>(
  document: DocumentTypeDecoration<Result, Variables> & { toString(): string },
  variables: Variables,
  options?: RequestOptions,
) => Promise<Result>

/** What startSession answered. */
export interface StartedSession {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly leaseSeconds: number
  readonly plan: Plan
  readonly checkpoint: Checkpoint | null
  readonly isAscending: boolean
}

export interface Metrics {
  /** Requests to the platform since the last report. */
  readonly apiRequests?: number
  /** Those of them that the platform's rate limit refused. */
  readonly rateLimitHits?: number
}

export interface Save {
  /** The last item that was processed. Null: the page had no items; then `pageToken` is needed. */
  readonly itemId: string | null
  /** How many items were new. Default: 0. */
  readonly bookmarksAdded?: number
  /** The platform's token of the next page. None: there is none, or it leads below an anchor. */
  readonly pageToken?: string | null
  /** The newest items of the list, newest first, up to 50. */
  readonly headItemIds?: readonly string[] | null
  /** Default: a random one. It stays the same over the repeats of this save. */
  readonly idempotencyKey?: string
  readonly metrics?: Metrics
}

export interface Saved {
  /** True: somebody asked the session to stop. */
  readonly stopRequested: boolean
  /** Whether an earlier save under the same key had written it. */
  readonly replayed: boolean
  /** LOOP, NO_PROGRESS or a later value. Null: the session is not stalled. */
  readonly stallReason: string | null
}

/** How long the end of a failing crawl may take: its lease ends it otherwise. */
const FAREWELL_BUDGET_MS = 5_000
const LONGEST_MESSAGE = 10_000
const LONGEST_REASON = 500
const asyncDispose: typeof Symbol.asyncDispose =
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- the compiler's library is newer than some browsers
  Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

/** One run of a crawler. It owns its list until it ends, or until its lease runs out. */
export class Session implements AsyncDisposable {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly leaseSeconds: number
  readonly plan: Plan
  /** The checkpoint at the start. Null: there was none. */
  readonly checkpoint: Checkpoint | null
  /** Whether the list comes oldest first. */
  readonly isAscending: boolean
  /** Aborts when the session is lost, with the LostError as its reason. */
  readonly signal: AbortSignal
  readonly #lost = new AbortController()
  readonly #send: Send
  #hasEnded = false
  #isStopRequested = false
  #aliveAt = clocks()

  constructor(send: Send, started: StartedSession) {
    this.#send = send
    this.sessionId = started.sessionId
    this.userId = started.userId
    this.stream = started.stream
    this.leaseSeconds = started.leaseSeconds
    this.plan = started.plan
    this.checkpoint = started.checkpoint
    this.isAscending = started.isAscending
    this.signal = this.#lost.signal
  }

  /** Whether somebody asked this session to stop, as its last answer said. */
  get stopRequested(): boolean {
    return this.#isStopRequested
  }

  /** Whether this client has ended it. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Why the session is lost; undefined while it is not known to be. */
  get lost(): LostError | undefined {
    return this.signal.aborted ? (this.signal.reason as LostError) : undefined
  }

  /** Milliseconds since the last sign of life that Waymark took. The time of a sleeping computer counts. */
  get silentMs(): number {
    const { wall, monotonic } = clocks()
    return Math.max(wall - this.#aliveAt.wall, monotonic - this.#aliveAt.monotonic)
  }

  /**
   * Saves the position, under one idempotency key over all repeats. Renews the lease.
   * @throws {LostError} where the session is not the owner any more; nothing was written
   */
  save({ idempotencyKey = randomKey(), ...save }: Save): Promise<Saved> {
    const input = { ...save, userId: this.userId, stream: this.stream, sessionId: this.sessionId, idempotencyKey }
    return this.#alive(async () => {
      const saved = accept((await this.#send(SavePageDocument, { input })).result)
      const { stopRequested, replayed } = saved
      this.#isStopRequested ||= stopRequested
      const session = saved.__typename === 'TokenSavedSuccess' ? saved.saver : saved.session
      return { stopRequested, replayed, stallReason: session?.stallReason ?? null }
    })
  }

  /** Renews the lease. @returns whether somebody asked the session to stop */
  heartbeat({
    metrics,
    rateLimitedUntil,
  }: { readonly metrics?: Metrics; readonly rateLimitedUntil?: Date } = {}): Promise<boolean> {
    const until = rateLimitedUntil === undefined ? undefined : rateLimitedUntil.toISOString()
    const input = { sessionId: this.sessionId, metrics, rateLimitedUntil: until }
    return this.#alive(async () => {
      // A repeat after the lease would come too late.
      const options = { budgetMs: this.leaseSeconds * 1000 }
      const { stopRequested } = accept((await this.#send(HeartbeatDocument, { input }, options)).result)
      this.#isStopRequested ||= stopRequested
      return stopRequested
    })
  }

  /** Reports that the platform asks to wait: the lease lasts at least until then. @param until at most 24 hours ahead */
  rateLimited(until: Date): Promise<boolean> {
    return this.heartbeat({ rateLimitedUntil: until, metrics: { rateLimitHits: 1 } })
  }

  /** Pauses the list: no session starts on it until then. This one may go on. @param until at most 400 days ahead */
  async pause(until: Date, reason: string | null): Promise<void> {
    const { userId, stream, sessionId } = this
    const input = { userId, stream, sessionId, until: until.toISOString(), reason: reason?.slice(0, LONGEST_REASON) }
    await this.#judged(async () => accept((await this.#send(PauseCrawlDocument, { input })).result))
  }

  /** Ends it as COMPLETED: the crawl reached an anchor, or the end of the list. */
  complete(): Promise<void> {
    return this.#end(
      async () => (await this.#send(CompleteSessionDocument, { input: { sessionId: this.sessionId } })).result,
    )
  }

  /** Ends it as STOPPED: the next session continues. */
  stop(options?: RequestOptions): Promise<void> {
    return this.#end(
      async () => (await this.#send(StopSessionDocument, { input: { sessionId: this.sessionId } }, options)).result,
    )
  }

  /** Ends it as FAILED, with the message of the error. */
  fail(error: unknown): Promise<void> {
    const message = error instanceof Error && error.message !== '' ? error.message : String(error)
    const input = { sessionId: this.sessionId, errorMessage: message.slice(0, LONGEST_MESSAGE) }
    return this.#end(
      async () => (await this.#send(FailSessionDocument, { input }, { budgetMs: FAREWELL_BUDGET_MS })).result,
    )
  }

  /** Stops the session unless it has ended or is lost. If that fails, its lease ends it. */
  async [asyncDispose](): Promise<void> {
    if (!this.#hasEnded && !this.lost) await this.stop({ budgetMs: FAREWELL_BUDGET_MS }).catch(() => undefined)
  }

  async #end(send: () => Promise<{ readonly __typename: string }>): Promise<void> {
    await this.#judged(async () => accept(await send()))
    this.#hasEnded = true
  }

  /** Notes the time of a sign of life: when it was sent, since nobody knows when it arrived. */
  async #alive<Answer>(act: () => Promise<Answer>): Promise<Answer> {
    const sentAt = clocks()
    const answer = await this.#judged(act)
    this.#aliveAt = sentAt
    return answer
  }

  async #judged<Answer>(act: () => Promise<Answer>): Promise<Answer> {
    try {
      return await act()
    } catch (error) {
      if (error instanceof LostError) this.#lost.abort(error)
      throw error
    }
  }
}

/** A monotonic clock stands still while a computer sleeps; the other one can be set. */
function clocks(): { readonly wall: number; readonly monotonic: number } {
  return { wall: Date.now(), monotonic: performance.now() }
}
