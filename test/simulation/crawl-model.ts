/**
 * The rules of checkpoints and sessions as the contract's comments tell them, without a database: what the model-based test holds
 * the server to. Written from the contract, not from the SQL: where the two differ, one of them is wrong.
 * Times are milliseconds. Nothing here waits, and nothing is refused half way: a refusal has changed nothing.
 */

export interface Metrics {
  readonly apiRequests?: number
  readonly rateLimitHits?: number
}

export interface SaveArguments {
  readonly userId: string
  readonly stream?: string
  /** null: the page had no items. */
  readonly itemId: string | null
  readonly bookmarksCount?: number
  readonly bookmarksAdded?: number
  readonly sessionId?: string
  readonly pageToken?: string
  readonly headItemIds?: readonly string[]
  readonly expectedVersion?: number
  readonly idempotencyKey?: string
  readonly metrics?: Metrics
  readonly rateLimitedUntil?: number
}

export interface StartArguments {
  readonly userId: string
  readonly stream?: string
  readonly sessionId?: string
  readonly leaseSeconds?: number
  readonly takeover?: boolean
  readonly idempotencyKey?: string
  readonly mode?: 'AUTO' | 'FULL' | 'CATCH_UP'
  readonly ignorePause?: boolean
}

export interface PauseArguments {
  readonly userId: string
  readonly stream: string
  readonly until: number
  readonly reason?: string
  readonly sessionId?: string
}

export interface MoveArguments {
  readonly fromUserId: string
  readonly toUserId: string
  readonly stream?: string
  readonly allStreams: boolean
  readonly dryRun: boolean
}

export interface HeartbeatArguments {
  readonly sessionId: string
  readonly bookmarksProcessed?: number
  readonly metrics?: Metrics
  readonly rateLimitedUntil?: number
}

export interface EndArguments {
  readonly sessionId: string
  readonly bookmarksProcessed?: number
}

export interface ClearArguments {
  readonly userId: string
  readonly stream?: string
  readonly sessionId?: string
  readonly expectedVersion?: number
}

export interface RollbackArguments {
  readonly userId: string
  readonly stream: string
  readonly toVersion?: number
  readonly toTime?: number
  readonly dryRun?: boolean
  readonly expectedVersion?: number
}

export interface PruneArguments {
  readonly completedBefore: number
  readonly status?: readonly Status[]
  readonly userId?: string
  readonly stream?: string
  readonly dryRun?: boolean
}

export type Ordering = 'NONE' | 'ASCENDING'

type Status = 'RUNNING' | 'COMPLETED' | 'STOPPED' | 'FAILED'
type Source = 'SAVE' | 'CLEAR' | 'COMPLETE' | 'ROLLBACK' | 'IMPORT' | 'EXTERNAL' | 'RESTART' | 'MOVE'
type Mode = 'FULL' | 'RESUME' | 'INCREMENTAL' | 'CATCH_UP'

export interface StopArguments {
  readonly filter: { readonly userId?: string; readonly stream?: string }
  readonly all: boolean
  readonly dryRun: boolean
  readonly expectedMatched?: number
}

interface Session {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly startedAt: number
  completedAt: number | null
  status: Status
  /** 0: written by others than the API. */
  readonly epoch: number
  readonly leaseSeconds: number | null
  leaseExpiresAt: number | null
  rateLimitedUntil: number | null
  stopRequested: boolean
  endReason: string | null
  readonly attempt: number
  readonly resumedFrom: string | null
  readonly startKey: string | undefined
  commits: number
  added: number
  reported: number
  apiRequests: number
  rateLimitHits: number
  movedAt: number
  /** The search of loops: the kept token, those seen since, after how many the next is kept, and its returns. */
  readonly loop: { kept: string | null; steps: number; span: number; hits: number; emptySaves: number }
  /** Of its plan; null: written by others than the API. */
  readonly mode: Mode | null
}

/** The crawl of what is above an unfinished crawl's head. */
interface CatchUp {
  readonly itemId: string | null
  readonly token: string | null
  readonly head: readonly string[]
}

/** What a revision keeps of a checkpoint; itemId null: there is none. */
interface Content {
  readonly itemId: string | null
  readonly count: number
  readonly token: string | null
  readonly head: readonly string[]
  readonly anchors: readonly string[]
  readonly complete: boolean
  readonly fullPass: boolean
  readonly hasItem: boolean
  readonly catchUp: CatchUp | null
}

interface Revision extends Content {
  readonly version: number
  readonly source: Source
  readonly epoch: number
  readonly sessionId: string | null
  readonly recordedAt: number
  /** Not of the contract: whether the position's rank among the platform's IDs is known. */
  readonly ranked: boolean
}

interface Pause {
  readonly until: number
  readonly reason: string | null
}

interface Place {
  epoch: number
  owner: string | undefined
  version: number
  content: Content
  /** Of the session that wrote it last. */
  writtenEpoch: number
  ranked: boolean
  /** Whose save made it incomplete. */
  opener: string | undefined
  catchUpOpener: string | undefined
  /** The page token where there is no checkpoint. */
  keptToken: string | null
  lastCompletedAt: number | null
  /** May be over. */
  pause: Pause | null
  /** By session and key. */
  readonly keys: Map<string, Keyed>
  readonly revisions: Revision[]
}

interface Keyed {
  readonly content: string
  readonly created: boolean
  readonly recordedAt: number
  /** After the save. */
  readonly version: number
}

export interface Outcome {
  readonly type: string
  readonly [field: string]: unknown
}

const NOTHING: Content = {
  ...{ itemId: null, count: 0, token: null, head: [], anchors: [], complete: false },
  ...{ fullPass: false, hasItem: false, catchUp: null },
}
const MAX_HEAD = 50
const MAX_COUNT = 2_147_483_647
const DAY_MS = 86_400_000
const LONGEST_PAUSE_MS = 400 * DAY_MS
/** Reapers that looked less long ago have missed nothing. */
const OUTAGE_MS = 2_500
const DEFAULT_STREAM = 'twitter/bookmarks'
const STREAM_NAME = /^[a-z0-9-]+\/[a-z0-9_.-]+$/
/** Platforms whose item IDs have no order. */
const UNORDERED = /^youtube\//
const TWEET_ID = /^[1-9][0-9]{0,18}$/

const refuse = (type: string, code: string, more: object = {}): Outcome => ({ type, code, ...more })
/** Brent's algorithm: the 1st, 2nd, 4th, 8th ... token is kept. Three returns of one are a loop, and stay one. */
function seeToken(loop: Session['loop'], token: string | null): void {
  if (token === null) return
  if (token === loop.kept) loop.hits += 1
  if (token !== loop.kept && loop.steps + 1 >= loop.span) {
    Object.assign(loop, {
      kept: token,
      steps: 0,
      span: Math.max(loop.span * 2, 1),
      hits: loop.hits < 3 ? 0 : loop.hits,
    })
  } else loop.steps += 1
}

const invalid = () => refuse('InvalidInputError', 'INVALID_INPUT')
const noUser = () => refuse('UserNotFoundError', 'USER_NOT_FOUND')
const noSession = () => refuse('SessionNotFoundError', 'SESSION_NOT_FOUND')

/** Who changes a checkpoint. Without a session its epoch is 0. */
interface Writer {
  readonly source: Source
  readonly epoch?: number
  readonly sessionId?: string | null
  /** Whether the position's rank among the platform's IDs is known then. */
  readonly ranked: boolean
  /** Also where nothing changes. */
  readonly always?: boolean
}

const by = (session: Session | undefined) =>
  session ? { epoch: session.epoch, sessionId: session.sessionId } : { epoch: 0, sessionId: null }

/** A head that holds fewer than three items takes those of the next page too, without repeats. */
function extend(head: readonly string[], page: readonly string[]): readonly string[] {
  return head.length >= 3 ? head : [...new Set([...head, ...page])].slice(0, MAX_HEAD)
}

function catchUpView(catchUp: CatchUp | null) {
  if (!catchUp) return null
  return { lastItemId: catchUp.itemId, pageToken: catchUp.token, headItemIds: catchUp.head }
}

export class CrawlModel {
  readonly users = new Set<string>()
  readonly sessions = new Map<string, Session>()
  readonly #places = new Map<string, Place>()
  readonly #ascending = new Set<string>()
  now: number

  constructor(now: number) {
    this.now = now
  }

  // --- what can be seen

  sessionView(sessionId: string | null | undefined) {
    const session = this.sessions.get(sessionId ?? '')
    if (!session) return null
    const { userId, stream, status, epoch, leaseSeconds, attempt, commits, apiRequests, rateLimitHits } = session
    return {
      sessionId: session.sessionId,
      userId,
      stream,
      status,
      epoch,
      leaseSeconds,
      leaseExpiresAt: session.leaseExpiresAt,
      rateLimitedUntil: session.rateLimitedUntil,
      stopRequested: session.stopRequested,
      endReason: session.endReason,
      attempt,
      resumedFrom: this.sessions.has(session.resumedFrom ?? '') ? session.resumedFrom : null,
      commits,
      bookmarksProcessed: Math.max(session.added, session.reported),
      apiRequests,
      rateLimitHits,
      stalled: this.#isStalled(session),
      mode: session.mode,
    }
  }

  checkpointView(userId: string, stream: string) {
    const place = this.place(userId, stream)
    const { itemId, count, token, head, anchors, complete, fullPass, hasItem, catchUp } = place.content
    if (itemId === null) return null
    const owner = this.#owner(place)
    return {
      lastItemId: itemId,
      bookmarksCount: count,
      version: place.version,
      epoch: place.writtenEpoch,
      pageToken: token,
      headItemIds: head,
      anchorItemIds: anchors,
      complete,
      fullPass,
      fullPassHasItem: hasItem,
      catchUp: catchUpView(catchUp),
      lastCompletedAt: place.lastCompletedAt,
      pause: this.#pauseOf(place),
      liveSession: owner && this.#isLive(owner) ? owner.sessionId : null,
    }
  }

  planView(userId: string, stream: string, except?: string, wanted = 'AUTO') {
    if (!this.users.has(userId)) return null
    const previous = this.#sessionsOf(userId, stream).findLast(({ sessionId }) => sessionId !== except)
    const place = this.place(userId, stream)
    const pause = this.#pauseOf(place)
    return { ...this.#planOf(place, stream, wanted), previousSession: previous?.sessionId ?? null, pause }
  }

  /** Whoever asks in this test is one caller. */
  #pauseOf({ pause }: Place) {
    return pause && pause.until > this.now ? { ...pause, pausedBy: 'local' } : null
  }

  #isCatchUpPossible(place: Place, stream: string): boolean {
    return !this.#ascending.has(stream) && place.content.head.length >= 2
  }

  #planOf(place: Place, stream: string, wanted: string) {
    const { itemId, token, head, anchors, complete, fullPass, hasItem, catchUp } = place.content
    if (itemId === null)
      return { mode: 'FULL', afterItemId: null, pageToken: place.keptToken, untilItemIds: [] } as const
    if (wanted === 'CATCH_UP' && !complete) {
      const from = { afterItemId: catchUp?.itemId ?? null, pageToken: catchUp?.token ?? null }
      return { mode: 'CATCH_UP', ...from, untilItemIds: head } as const
    }
    if (fullPass && !hasItem) return { mode: 'FULL', afterItemId: null, pageToken: token, untilItemIds: [] } as const
    const isAscending = this.#ascending.has(stream)
    const untilItemIds = isAscending || fullPass || anchors.length < 2 ? [] : anchors
    if (complete && !isAscending) {
      return { mode: 'INCREMENTAL', afterItemId: null, pageToken: null, untilItemIds } as const
    }
    return { mode: 'RESUME', afterItemId: itemId, pageToken: token, untilItemIds } as const
  }

  historyView(userId: string, stream: string) {
    return this.place(userId, stream)
      .revisions.map((revision) => this.#revisionView(revision))
      .reverse()
  }

  sessionsView(userId: string, stream: string) {
    return this.#sessionsOf(userId, stream).map(({ sessionId }) => this.sessionView(sessionId))
  }

  #revisionView(revision: Revision) {
    const { version, source, epoch, sessionId, itemId, count, token, head, anchors, complete } = revision
    return {
      fullPass: revision.fullPass,
      fullPassHasItem: revision.hasItem,
      catchUp: catchUpView(revision.catchUp),
      version,
      source,
      epoch,
      session: this.sessions.has(sessionId ?? '') ? sessionId : null,
      lastItemId: itemId,
      bookmarksCount: count,
      pageToken: token,
      headItemIds: head,
      anchorItemIds: anchors,
      complete,
    }
  }

  place(userId: string, stream: string): Place {
    const key = `${userId} ${stream}`
    let place = this.#places.get(key)
    if (!place) {
      place = {
        epoch: 0,
        owner: undefined,
        version: 0,
        content: NOTHING,
        writtenEpoch: 0,
        ranked: false,
        opener: undefined,
        catchUpOpener: undefined,
        keptToken: null,
        lastCompletedAt: null,
        pause: null,
        keys: new Map(),
        revisions: [],
      }
      this.#places.set(key, place)
    }
    return place
  }

  #sessionsOf(userId: string, stream: string): Session[] {
    return [...this.sessions.values()].filter((session) => session.userId === userId && session.stream === stream)
  }

  // --- users

  registerUser(userId: string): Outcome {
    this.users.add(userId)
    return { type: 'RegisterUserSuccess', userId }
  }

  /** By another application: takes everything but epoch, version, history and keys along. */
  deleteUser(userId: string): void {
    this.users.delete(userId)
    for (const [sessionId, session] of this.sessions) if (session.userId === userId) this.sessions.delete(sessionId)
    for (const [key, place] of this.#places) {
      if (!key.startsWith(`${userId} `)) continue
      place.pause = null
      this.#externalClear(place)
    }
  }

  // --- who owns a stream

  #owner(place: Place): Session | undefined {
    return this.sessions.get(place.owner ?? '')
  }

  /** RUNNING, and the lease not run out. */
  #isLive(session: Session): boolean {
    return session.status === 'RUNNING' && session.leaseExpiresAt !== null && session.leaseExpiresAt > this.now
  }

  #isStalled(session: Session): boolean {
    if (!this.#isLive(session)) return false
    if (session.loop.hits >= 3 || session.loop.emptySaves >= 100) return true
    if ((session.rateLimitedUntil ?? 0) > this.now) return false
    return this.now - session.movedAt > 5 * (session.leaseSeconds ?? 0) * 1000
  }

  #end(session: Session, status: Status, reason: string): void {
    session.status = status
    session.completedAt = this.now
    session.endReason = reason
    session.leaseExpiresAt = null
    session.rateLimitedUntil = null
  }

  #expire(session: Session): void {
    this.#end(session, session.stopRequested ? 'STOPPED' : 'FAILED', 'LEASE_EXPIRED')
  }

  #renew(session: Session): void {
    if (session.epoch === 0 || session.leaseSeconds === null) return
    session.leaseExpiresAt = Math.max(this.now + session.leaseSeconds * 1000, session.rateLimitedUntil ?? 0)
  }

  /** Every write that names a session: may it write? */
  #fence(place: Place, session: Session): Outcome | undefined {
    if (place.epoch > session.epoch) return refuse('StaleEpochError', 'STALE_EPOCH', { currentEpoch: place.epoch })
    if (session.status !== 'RUNNING') {
      return refuse('SessionClosedError', 'SESSION_CLOSED', { session: this.sessionView(session.sessionId) })
    }
    return undefined
  }

  /** Every write that names none: does somebody own the stream? */
  #busy(place: Place): Outcome | undefined {
    const owner = this.#owner(place)
    if (!owner || !this.#isLive(owner)) return undefined
    const { sessionId, leaseExpiresAt } = owner
    return refuse('StreamBusyError', 'STREAM_BUSY', { owner: this.sessionView(sessionId), retryAt: leaseExpiresAt })
  }

  #conflict(place: Place, expected: number | undefined): Outcome | undefined {
    const currentVersion = place.content.itemId === null ? 0 : place.version
    if (expected === undefined || expected === currentVersion) return undefined
    return refuse('VersionConflictError', 'VERSION_CONFLICT', { currentVersion })
  }

  /** @param madeId the ID that the server made, where it was to make one */
  startSession(input: StartArguments, madeId: string): Outcome {
    const {
      userId,
      stream = DEFAULT_STREAM,
      leaseSeconds = 60,
      takeover = false,
      idempotencyKey,
      mode = 'AUTO',
      ignorePause = false,
    } = input
    if (leaseSeconds < 5 || leaseSeconds > 3600) return invalid()
    if (!this.users.has(userId)) return noUser()
    const place = this.place(userId, stream)
    const owner = this.#owner(place)
    if (idempotencyKey !== undefined && owner?.status === 'RUNNING' && owner.startKey === idempotencyKey) {
      return this.#started(owner)
    }
    const sessionId = input.sessionId ?? madeId
    const namesake = this.sessionView(sessionId)
    if (namesake) return refuse('SessionExistsError', 'SESSION_EXISTS', { session: namesake })
    if (owner && this.#isLive(owner) && !takeover) return this.#busy(place) ?? invalid()
    const pause = this.#pauseOf(place)
    if (pause && !ignorePause) return refuse('StreamPausedError', 'STREAM_PAUSED', { pause })
    const { itemId, complete } = place.content
    if (mode === 'CATCH_UP' && itemId !== null && !complete && !this.#isCatchUpPossible(place, stream)) {
      return refuse('CatchUpImpossibleError', 'CATCH_UP_IMPOSSIBLE')
    }
    if (owner?.status === 'RUNNING') {
      if (this.#isLive(owner)) this.#end(owner, 'FAILED', 'TAKEN_OVER')
      else this.#expire(owner)
    }
    const resumed = this.#resumedBy(place, { userId, stream, mode })
    place.epoch += 1
    place.owner = sessionId
    if (mode === 'FULL') this.#restart(place, sessionId)
    const session: Session = {
      ...newSession(sessionId, userId, stream, this.now),
      epoch: place.epoch,
      leaseSeconds,
      attempt: resumed ? resumed.attempt + 1 : 1,
      resumedFrom: resumed?.sessionId ?? null,
      startKey: idempotencyKey,
      mode: this.#planOf(place, stream, mode).mode,
    }
    this.#renew(session)
    this.sessions.set(sessionId, session)
    return this.#started(session)
  }

  #started({ sessionId, userId, stream, mode }: Session): Outcome {
    return {
      type: 'StartSessionSuccess',
      session: this.sessionView(sessionId),
      checkpoint: this.checkpointView(userId, stream),
      plan: this.planView(userId, stream, sessionId, mode === 'CATCH_UP' ? mode : 'AUTO'),
    }
  }

  /** The unfinished session that a new one carries on. A catch-up and the crawl beside it carry on their own. */
  #resumedBy(
    place: Place,
    { userId, stream, mode }: { readonly userId: string; readonly stream: string; readonly mode: string },
  ): Session | undefined {
    const { itemId, complete, catchUp } = place.content
    if (itemId === null || complete || mode === 'FULL') return undefined
    const isCatchUp = mode === 'CATCH_UP'
    if (isCatchUp && catchUp === null) return undefined
    const owner = this.#owner(place)
    if (!owner) return undefined
    const isAlike = (session: Session) => (session.mode === 'CATCH_UP') === isCatchUp
    const before = isAlike(owner) ? owner : this.#sessionsOf(userId, stream).findLast(isAlike)
    return before?.status === 'COMPLETED' ? undefined : before
  }

  /** Begins a full pass: what belongs to the unfinished crawl is gone, position and anchors stay. */
  #restart(place: Place, sessionId: string): void {
    place.keptToken = null
    if (place.content.itemId === null) return
    const unfinished = { token: null, head: [], complete: false, fullPass: true, hasItem: false, catchUp: null }
    place.opener = undefined
    place.catchUpOpener = undefined
    const by = { source: 'RESTART', epoch: place.epoch, sessionId, ranked: place.ranked, always: true } as const
    this.#write(place, { ...place.content, ...unfinished }, by)
  }

  /** A catch-up that runs loses its list, since the crawl that it ran beside is gone. */
  #fenceCatchUp(place: Place): void {
    const owner = this.#owner(place)
    if (owner?.status !== 'RUNNING' || owner.mode !== 'CATCH_UP') return
    place.epoch += 1
    place.owner = undefined
  }

  // --- pauses

  pauseCrawl({ userId, stream, until, reason, sessionId }: PauseArguments): Outcome {
    if (until <= this.now || until > this.now + LONGEST_PAUSE_MS) return invalid()
    const session = this.sessions.get(sessionId ?? '')
    if (sessionId !== undefined && (session?.userId !== userId || session.stream !== stream)) return noSession()
    if (!this.users.has(userId)) return noUser()
    const place = this.place(userId, stream)
    const refusal = session && this.#fence(place, session)
    if (refusal) return refusal
    // A session lengthens a pause and never shortens one.
    if (!session || !place.pause || place.pause.until < until) place.pause = { until, reason: reason ?? null }
    return { type: 'PauseCrawlSuccess', pause: this.#pauseOf(place) }
  }

  unpauseCrawl({ userId, stream }: { readonly userId: string; readonly stream: string }): Outcome {
    if (!this.users.has(userId)) return noUser()
    this.place(userId, stream).pause = null
    return { type: 'PauseCrawlSuccess', pause: null }
  }

  // --- another user

  moveCheckpoint({ fromUserId, toUserId, stream, allStreams, dryRun }: MoveArguments): Outcome {
    if ((stream !== undefined) === allStreams || fromUserId === toUserId) return invalid()
    if (!this.users.has(fromUserId) || !this.users.has(toUserId)) return noUser()
    const streams = [...this.#places]
      .filter(([key, { content }]) => key.startsWith(`${fromUserId} `) && content.itemId !== null)
      .map(([key]) => key.slice(fromUserId.length + 1))
      .filter((name) => name === (stream ?? name))
      .sort()
    if (streams.length === 0) return refuse('CheckpointNotFoundError', 'CHECKPOINT_NOT_FOUND')
    for (const name of streams) {
      const present = this.checkpointView(toUserId, name)
      if (present) return refuse('CheckpointExistsError', 'CHECKPOINT_EXISTS', { checkpoint: present })
    }
    for (const name of streams) {
      for (const userId of [fromUserId, toUserId].sort()) {
        const busy = this.#busy(this.place(userId, name))
        if (busy) return busy
      }
    }
    const moved = streams.map((name) => {
      if (!dryRun) this.#move(fromUserId, toUserId, name, 'MOVE')
      else {
        const [from, to] = [this.place(fromUserId, name), this.place(toUserId, name)]
        const version = Math.max(from.version, to.version) + 1
        const view = this.checkpointView(fromUserId, name)
        return { checkpoint: { ...view, version, epoch: 0, liveSession: null, pause: this.#pauseOf(to) } }
      }
      return { checkpoint: this.checkpointView(toUserId, name) }
    })
    return { type: 'MoveCheckpointSuccess', moved }
  }

  /** The whole state goes along; of two pauses the later one stands. Sessions and history stay. */
  #move(fromUserId: string, toUserId: string, stream: string, source: Source): void {
    const [from, to] = [this.place(fromUserId, stream), this.place(toUserId, stream)]
    for (const place of [from, to]) {
      place.epoch += 1
      place.owner = undefined
    }
    to.version = Math.max(from.version, to.version)
    to.keptToken = null
    to.lastCompletedAt = from.lastCompletedAt
    to.opener = undefined
    to.catchUpOpener = undefined
    to.keys.clear()
    if (from.pause && (!to.pause || to.pause.until < from.pause.until)) to.pause = from.pause
    from.pause = null
    this.#write(to, from.content, { source, ranked: from.ranked, always: true })
    this.#forget(from, { source })
  }

  heartbeat({ sessionId, bookmarksProcessed, metrics, rateLimitedUntil }: HeartbeatArguments): Outcome {
    if ((rateLimitedUntil ?? 0) > this.now + DAY_MS) return invalid()
    const session = this.sessions.get(sessionId)
    if (!session) return noSession()
    const refusal = this.#fence(this.place(session.userId, session.stream), session)
    if (refusal) return refusal
    session.reported = Math.max(session.reported, bookmarksProcessed ?? 0)
    this.#report(session, metrics, rateLimitedUntil)
    return {
      type: 'HeartbeatSuccess',
      stopRequested: session.stopRequested,
      session: this.sessionView(sessionId),
    }
  }

  /** What each save and heartbeat tells of its session. */
  #report(session: Session, metrics: Metrics | undefined, rateLimitedUntil: number | undefined): void {
    session.apiRequests += metrics?.apiRequests ?? 0
    session.rateLimitHits += metrics?.rateLimitHits ?? 0
    session.rateLimitedUntil = rateLimitedUntil ?? null
    this.#renew(session)
  }

  endSession(status: Exclude<Status, 'RUNNING'>, { sessionId, bookmarksProcessed }: EndArguments): Outcome {
    const session = this.sessions.get(sessionId)
    if (!session) return noSession()
    if (session.status !== status) {
      const place = this.place(session.userId, session.stream)
      const refusal = this.#fence(place, session)
      if (refusal) return refusal
      session.reported = Math.max(session.reported, bookmarksProcessed ?? 0)
      this.#end(session, status, 'REPORTED')
      if (status === 'COMPLETED' && session.mode === 'CATCH_UP') this.#completeCatchUp(place, session)
      else if (status === 'COMPLETED') this.#completeCrawl(place, session)
    }
    return { type: 'EndSessionSuccess', session: this.sessionView(sessionId) }
  }

  #completeCrawl(place: Place, session: Session): void {
    const { itemId, count, token, head, anchors, complete, fullPass, hasItem } = place.content
    place.keptToken = null
    place.lastCompletedAt = this.now
    if (itemId === null || (complete && token === null)) return
    place.opener = undefined
    place.catchUpOpener = undefined
    const isOld = complete || (fullPass && !hasItem)
    const told = head.length > 0 ? head : [itemId]
    const content: Content = { ...NOTHING, itemId, count, anchors: isOld ? anchors : told, complete: true }
    this.#write(place, content, { ...by(session), source: 'COMPLETE', ranked: place.ranked, always: true })
  }

  #completeCatchUp(place: Place, session: Session): void {
    const { catchUp, head: stays } = place.content
    if (place.content.itemId === null || !catchUp) return
    place.catchUpOpener = undefined
    // One item alone could not be met again.
    const head = catchUp.head.length === 1 ? extend(catchUp.head, stays) : catchUp.head
    const content: Content = { ...place.content, head: head.length > 0 ? head : stays, catchUp: null }
    this.#write(place, content, { ...by(session), source: 'COMPLETE', ranked: place.ranked, always: true })
  }

  requestStopSessions({ filter, all, dryRun, expectedMatched }: StopArguments): Outcome {
    if (!all && filter.userId === undefined && filter.stream === undefined) return invalid()
    const matching = [...this.sessions.values()].filter(
      ({ status, userId, stream }) =>
        status === 'RUNNING' && userId === (filter.userId ?? userId) && stream === (filter.stream ?? stream),
    )
    if (expectedMatched !== undefined && expectedMatched !== matching.length) return invalid()
    const asked = dryRun ? [] : matching.filter(({ stopRequested }) => !stopRequested)
    for (const session of asked) session.stopRequested = true
    return { type: 'RequestStopSessionsSuccess', matched: matching.length, requested: asked.length }
  }

  requestStop({ sessionId }: { readonly sessionId: string }): Outcome {
    const session = this.sessions.get(sessionId)
    if (!session) return noSession()
    if (session.status !== 'RUNNING') {
      return refuse('SessionClosedError', 'SESSION_CLOSED', { session: this.sessionView(sessionId) })
    }
    session.stopRequested = true
    return { type: 'RequestStopSuccess', session: this.sessionView(sessionId) }
  }

  /** Time passes, and reapers look, but nobody's lease has been judged since. */
  advance(milliseconds: number): void {
    this.now += milliseconds
  }

  reap(): void {
    for (const session of this.sessions.values()) {
      if (session.status === 'RUNNING' && session.epoch > 0 && !this.#isLive(session)) this.#expire(session)
    }
  }

  /** Time passes while nobody serves; then the first reaper looks. */
  outage(milliseconds: number): void {
    const isOne = milliseconds > OUTAGE_MS
    const alive = [...this.sessions.values()].filter((session) => isOne && this.#isLive(session))
    this.now += milliseconds
    for (const session of alive) {
      const whole = this.now + (session.leaseSeconds ?? 0) * 1000
      session.leaseExpiresAt = Math.max(session.leaseExpiresAt ?? 0, whole)
    }
    this.reap()
  }

  /** Sessions that run, and those that ended less than a day ago, stay whatever is asked. */
  pruneSessions({ completedBefore, status, userId, stream, dryRun = false }: PruneArguments): Outcome {
    const before = Math.min(completedBefore, this.now - DAY_MS)
    const old = [...this.sessions.values()].filter(
      (session) =>
        session.completedAt !== null &&
        session.completedAt < before &&
        (status === undefined || status.includes(session.status)) &&
        (userId === undefined || session.userId === userId) &&
        (stream === undefined || session.stream === stream),
    )
    if (!dryRun) for (const { sessionId } of old) this.sessions.delete(sessionId)
    return { type: 'PruneSessionsSuccess', count: old.length }
  }

  // --- checkpoints

  configureStream(name: string, ordering: Ordering): Outcome {
    if (!STREAM_NAME.test(name) || (ordering === 'ASCENDING' && UNORDERED.test(name))) return invalid()
    if (ordering === 'ASCENDING') this.#ascending.add(name)
    else this.#ascending.delete(name)
    return { type: 'ConfigureStreamSuccess', stream: { name, ordering } }
  }

  saveCheckpoints(inputs: readonly SaveArguments[], { importing }: { readonly importing: boolean }): Outcome[] {
    // Missing users are made for all sound inputs, whatever the rows then say to each.
    if (importing) for (const input of inputs) if (!this.#isUnsound(input)) this.users.add(input.userId)
    return inputs.map((input) => this.saveCheckpoint(input, { importing }))
  }

  saveCheckpoint(input: SaveArguments, { importing = false } = {}): Outcome {
    const session = this.sessions.get(input.sessionId ?? '')
    const stream = input.stream ?? session?.stream ?? DEFAULT_STREAM
    const { userId, itemId } = input
    if (input.sessionId !== undefined && (session?.userId !== userId || session.stream !== stream)) return noSession()
    if (this.#isUnsound(input)) return invalid()
    if (!this.users.has(userId)) return noUser()
    const place = this.place(userId, stream)
    const said = this.#contentOf(input)
    const key = `${input.sessionId ?? ''} ${input.idempotencyKey ?? ''}`
    const known = place.keys.get(key)
    if (input.idempotencyKey !== undefined && known && known.recordedAt > this.now - DAY_MS) {
      return known.content === said ? this.#saved(input, stream, { created: known.created, replayed: true }) : invalid()
    }
    const before = place.content
    const refusal =
      (session ? this.#fence(place, session) : this.#busy(place)) ?? this.#conflict(place, input.expectedVersion)
    if (refusal) return refusal
    const isCatchUp = session?.mode === 'CATCH_UP'
    if (isCatchUp && before.itemId === null) {
      return refuse('StaleEpochError', 'STALE_EPOCH', { currentEpoch: place.epoch })
    }
    const isPassBegun = before.fullPass && !before.hasItem
    const isJudged = itemId !== null && !isCatchUp && !isPassBegun
    if (isJudged && this.#ascending.has(stream) && place.ranked && BigInt(itemId) < BigInt(before.itemId ?? '0')) {
      return refuse('OrderViolationError', 'ORDER_VIOLATION', { lastItemId: before.itemId })
    }
    const count = input.bookmarksCount ?? before.count + (input.bookmarksAdded ?? 0)
    const added = (session?.added ?? 0) + (input.bookmarksAdded ?? 0)
    if (count > MAX_COUNT || added > MAX_COUNT) return invalid()

    const token = input.pageToken ?? null
    const created = before.itemId === null && itemId !== null
    const tokenBefore =
      before.itemId === null ? place.keptToken : isCatchUp ? (before.catchUp?.token ?? null) : before.token
    const itemBefore = isCatchUp ? (before.catchUp?.itemId ?? null) : before.itemId
    const isMoved = tokenBefore !== token || (itemId !== null && itemBefore !== itemId)
    if (before.itemId === null && itemId === null) place.keptToken = token
    else {
      const content = isCatchUp
        ? this.#caughtUp(place, input, { count, token, session })
        : this.#moved(place, input, { count, token, session, importing })
      place.keptToken = null
      const ranked = itemId === null || isCatchUp ? place.ranked : true
      this.#write(place, content, { ...by(session), source: importing ? 'IMPORT' : 'SAVE', ranked })
    }
    if (input.idempotencyKey !== undefined) {
      place.keys.set(key, { content: said, created, recordedAt: this.now, version: place.version })
    }
    if (session) {
      session.commits += 1
      session.added = added
      if (isMoved) session.movedAt = this.now
      seeToken(session.loop, tokenBefore === token ? null : token)
      session.loop.emptySaves = itemId === null ? session.loop.emptySaves + 1 : 0
      this.#report(session, input.metrics, input.rateLimitedUntil)
    }
    return this.#saved(input, stream, { created, replayed: false })
  }

  /** What a save of a crawl makes of the checkpoint. */
  #moved(
    place: Place,
    { itemId, headItemIds: told = [] }: SaveArguments,
    to: {
      readonly count: number
      readonly token: string | null
      readonly session: Session | undefined
      readonly importing: boolean
    },
  ): Content {
    const { count, token, session } = to
    const before = place.content
    if (itemId === null) return { ...before, count, token }
    const isFirst = before.itemId === null || before.complete || (before.fullPass && !before.hasItem)
    if (isFirst) place.opener = session?.sessionId
    if (to.importing && told.length > 0) {
      place.opener = undefined
      place.catchUpOpener = undefined
      return { ...NOTHING, itemId, count, token, anchors: told, complete: true }
    }
    const head = isFirst ? [] : before.head
    const isOpener = session !== undefined && place.opener === session.sessionId
    return {
      ...before,
      ...{ itemId, count, token, complete: false, hasItem: before.fullPass },
      head: isOpener && told.length > 0 ? extend(head, told) : head,
    }
  }

  /** What a save of a catch-up makes of it: position, token and head of the crawl beside it stay. */
  #caughtUp(
    place: Place,
    { itemId, headItemIds: told = [] }: SaveArguments,
    {
      count,
      token,
      session,
    }: { readonly count: number; readonly token: string | null; readonly session: Session | undefined },
  ): Content {
    const before = place.content.catchUp ?? { itemId: null, token: null, head: [] }
    if (itemId !== null && before.itemId === null) place.catchUpOpener = session?.sessionId
    const isOpener = itemId !== null && place.catchUpOpener === session?.sessionId
    const head = isOpener && told.length > 0 ? extend(before.head, told) : before.head
    return { ...place.content, count, catchUp: { itemId: itemId ?? before.itemId, token, head } }
  }

  #saved(
    { userId, sessionId }: SaveArguments,
    stream: string,
    { created, replayed }: { readonly created: boolean; readonly replayed: boolean },
  ): Outcome {
    const checkpoint = this.checkpointView(userId, stream)
    const told = { replayed, stopRequested: this.sessions.get(sessionId ?? '')?.stopRequested ?? false }
    const session = this.sessionView(sessionId)
    return checkpoint
      ? { type: 'SaveCheckpointSuccess', created, ...told, checkpoint, session }
      : { type: 'TokenSavedSuccess', ...told, session }
  }

  #isUnsound(input: SaveArguments): boolean {
    const { itemId, headItemIds = [], sessionId, pageToken, bookmarksCount, bookmarksAdded = 0 } = input
    const isItemless = itemId === null
    const hasOfItems = bookmarksCount !== undefined || bookmarksAdded > 0 || headItemIds.length > 0
    const hasWhatItNeeds = sessionId !== undefined && pageToken !== undefined
    return (
      ![itemId ?? '1', ...headItemIds].every((id) => TWEET_ID.test(id)) ||
      (isItemless && (!hasWhatItNeeds || hasOfItems)) ||
      (bookmarksCount !== undefined && input.bookmarksAdded !== undefined) ||
      (input.expectedVersion ?? 0) < 0 ||
      (input.rateLimitedUntil ?? 0) > this.now + DAY_MS
    )
  }

  /** What a repeat under the same key must have in common with the first. */
  #contentOf({
    itemId,
    bookmarksCount,
    bookmarksAdded,
    pageToken,
    headItemIds,
    expectedVersion,
  }: SaveArguments): string {
    const content = [itemId, bookmarksCount, bookmarksAdded, pageToken, headItemIds, expectedVersion]
    return JSON.stringify(content.map((value) => value ?? null))
  }

  /** Raises the version and appends a revision, unless nothing changes. */
  #write(
    place: Place,
    content: Content,
    { source, epoch = 0, sessionId = null, ranked, always = false }: Writer,
  ): void {
    place.writtenEpoch = epoch
    place.ranked = ranked
    const order = (of: Content) => JSON.stringify(Object.keys(NOTHING).map((name) => of[name as keyof Content]))
    if (order(content) === order(place.content) && !always) return
    place.content = content
    place.version += 1
    const { version } = place
    place.revisions.push({ ...content, version, source, epoch, sessionId, ranked, recordedAt: this.now })
  }

  clearCheckpoint({ userId, stream = DEFAULT_STREAM, sessionId, expectedVersion }: ClearArguments): Outcome {
    if ((expectedVersion ?? 0) < 0) return invalid()
    const session = this.sessions.get(sessionId ?? '')
    if (sessionId !== undefined && (session?.userId !== userId || session.stream !== stream)) return noSession()
    const place = this.place(userId, stream)
    const refusal =
      (session ? this.#fence(place, session) : this.#busy(place)) ?? this.#conflict(place, expectedVersion)
    if (refusal) return refusal
    const { itemId } = place.content
    if (session) this.#renew(session)
    this.#forget(place, { ...by(session), source: 'CLEAR' })
    return { type: 'ClearCheckpointSuccess', cleared: itemId !== null, lastItemId: itemId }
  }

  /** Everything is forgotten but epoch, version and history; what was saved under a key is undone. */
  #forget(place: Place, writer: Pick<Writer, 'source' | 'epoch' | 'sessionId'>): void {
    place.keptToken = null
    place.lastCompletedAt = null
    place.keys.clear()
    if (place.content.itemId === null) return
    place.opener = undefined
    place.catchUpOpener = undefined
    this.#write(place, NOTHING, { ...writer, ranked: false })
    this.#fenceCatchUp(place)
  }

  rollbackCheckpoint(input: RollbackArguments): Outcome {
    const { userId, stream, toVersion, toTime, dryRun = false, expectedVersion } = input
    if ((toVersion === undefined) === (toTime === undefined)) return invalid()
    if ((toVersion ?? 1) < 1 || (expectedVersion ?? 0) < 0) return invalid()
    const place = this.place(userId, stream)
    if (place.version === 0) return refuse('CheckpointNotFoundError', 'CHECKPOINT_NOT_FOUND')
    if ((toVersion ?? 0) > place.version) return invalid()
    const target = place.revisions.findLast(({ version, recordedAt }) =>
      toTime === undefined ? version === toVersion : recordedAt <= toTime,
    )
    if (!target) return invalid()
    const refusal = this.#busy(place) ?? this.#conflict(place, expectedVersion)
    if (refusal) return refusal
    if (target.itemId !== null && !this.users.has(userId)) return invalid()
    const answer = (checkpoint: unknown, revision: unknown): Outcome => {
      return { type: 'RollbackCheckpointSuccess', target: this.#revisionView(target), checkpoint, revision }
    }
    const isUndone = ({ version }: Keyed) => target.itemId === null || version > target.version
    const forgetKeys = () => {
      for (const [key, keyed] of place.keys) if (isUndone(keyed)) place.keys.delete(key)
    }
    if (target.version === place.version) {
      if (target.itemId === null && !dryRun) {
        place.keptToken = null
        forgetKeys()
      }
      return answer(this.checkpointView(userId, stream), null)
    }
    const was = { ...place }
    place.opener = undefined
    place.catchUpOpener = undefined
    place.keptToken = null
    const { itemId, count, token, head, anchors, complete, fullPass, hasItem, catchUp, ranked } = target
    const content: Content = { itemId, count, token, head, anchors, complete, fullPass, hasItem, catchUp }
    this.#write(place, content, { source: 'ROLLBACK', ranked, always: true })
    const checkpoint = this.checkpointView(userId, stream)
    if (!dryRun) {
      forgetKeys()
      return answer(checkpoint, this.historyView(userId, stream)[0])
    }
    place.revisions.pop()
    Object.assign(place, was)
    return answer(checkpoint, null)
  }

  // --- others than the API

  /** INSERT ... ON CONFLICT DO UPDATE: a save without token and head. @param added to the count, of what is there */
  externalSave(userId: string, stream: string, itemId: string | undefined, added: number): void {
    const place = this.place(userId, stream)
    const before = place.content
    const saved = itemId ?? before.itemId
    if (saved === null) return
    const moves = saved !== before.itemId
    const begins = before.itemId === null || before.complete || (moves && before.fullPass && !before.hasItem)
    if (begins) place.opener = undefined
    place.keptToken = null
    const content: Content = {
      ...before,
      ...{ itemId: saved, count: before.count + added, token: null, complete: false },
      head: begins ? [] : before.head,
      hasItem: before.fullPass && (before.hasItem || moves),
    }
    this.#write(place, content, { source: 'EXTERNAL', ranked: place.ranked && saved === before.itemId })
  }

  externalClear(userId: string, stream: string): void {
    this.#externalClear(this.place(userId, stream))
  }

  #externalClear(place: Place): void {
    if (place.content.itemId !== null) this.#forget(place, { source: 'EXTERNAL' })
  }

  /** UPDATE ... SET user_id, where the new key has no checkpoint; also under a live session. */
  externalMove(fromUserId: string, toUserId: string, stream: string): void {
    this.#move(fromUserId, toUserId, stream, 'EXTERNAL')
  }

  /** A row that another program wrote: no lease, epoch 0. */
  externalSession(sessionId: string, userId: string, stream: string): void {
    this.sessions.set(sessionId, newSession(sessionId, userId, stream, this.now))
  }
}

/** A session that has just begun and owns nothing. */
function newSession(sessionId: string, userId: string, stream: string, now: number): Session {
  return {
    sessionId,
    userId,
    stream,
    startedAt: now,
    completedAt: null,
    status: 'RUNNING',
    epoch: 0,
    leaseSeconds: null,
    leaseExpiresAt: null,
    rateLimitedUntil: null,
    stopRequested: false,
    endReason: null,
    attempt: 1,
    resumedFrom: null,
    startKey: undefined,
    commits: 0,
    added: 0,
    reported: 0,
    apiRequests: 0,
    rateLimitHits: 0,
    movedAt: now,
    loop: { kept: null, steps: 0, span: 0, hits: 0, emptySaves: 0 },
    mode: null,
  }
}
