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
  readonly itemId: string
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
type Source = 'SAVE' | 'CLEAR' | 'COMPLETE' | 'ROLLBACK' | 'IMPORT' | 'EXTERNAL'

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
}

/** What a revision keeps of a checkpoint; itemId null: there is none. */
interface Content {
  readonly itemId: string | null
  readonly count: number
  readonly token: string | null
  readonly head: readonly string[]
  readonly anchors: readonly string[]
  readonly complete: boolean
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
  readonly keys: Map<string, { readonly content: string; readonly created: boolean; readonly recordedAt: number }>
  readonly revisions: Revision[]
}

export interface Outcome {
  readonly type: string
  readonly [field: string]: unknown
}

const NOTHING: Content = { itemId: null, count: 0, token: null, head: [], anchors: [], complete: false }
const MAX_COUNT = 2_147_483_647
const DAY_MS = 86_400_000
/** Reapers that looked less long ago have missed nothing. */
const OUTAGE_MS = 2_500
const DEFAULT_STREAM = 'twitter/bookmarks'
const STREAM_NAME = /^[a-z0-9-]+\/[a-z0-9_.-]+$/
/** Platforms whose item IDs have no order. */
const UNORDERED = /^youtube\//
const TWEET_ID = /^[1-9][0-9]{0,18}$/

const refuse = (type: string, code: string, more: object = {}): Outcome => ({ type, code, ...more })
const invalid = () => refuse('InvalidInputError', 'INVALID_INPUT')
const noUser = () => refuse('UserNotFoundError', 'USER_NOT_FOUND')
const noSession = () => refuse('SessionNotFoundError', 'SESSION_NOT_FOUND')

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
    }
  }

  checkpointView(userId: string, stream: string) {
    const place = this.place(userId, stream)
    const { itemId, count, token, head, anchors, complete } = place.content
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
      liveSession: owner && this.#isLive(owner) ? owner.sessionId : null,
    }
  }

  planView(userId: string, stream: string, except?: string) {
    if (!this.users.has(userId)) return null
    const { itemId, token, anchors, complete } = this.place(userId, stream).content
    const mode = itemId === null ? 'FULL' : complete ? 'INCREMENTAL' : 'RESUME'
    const previous = this.#sessionsOf(userId, stream).findLast(({ sessionId }) => sessionId !== except)
    return {
      mode,
      afterItemId: mode === 'RESUME' ? itemId : null,
      pageToken: mode === 'RESUME' ? token : null,
      untilItemIds: mode === 'FULL' ? [] : anchors,
      previousSession: previous?.sessionId ?? null,
    }
  }

  historyView(userId: string, stream: string) {
    return this.place(userId, stream)
      .revisions.map((revision) => this.#revisionView(revision))
      .reverse()
  }

  sessionsView(userId: string, stream: string) {
    return this.#sessionsOf(userId, stream).map(({ sessionId }) => this.sessionView(sessionId))
  }

  #revisionView({ version, source, epoch, sessionId, itemId, count, token, head, anchors, complete }: Revision) {
    return {
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
    for (const [key, place] of this.#places) if (key.startsWith(`${userId} `)) this.#externalClear(place)
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
    if (!this.#isLive(session) || (session.rateLimitedUntil ?? 0) > this.now) return false
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
    const { userId, stream = DEFAULT_STREAM, leaseSeconds = 60, takeover = false, idempotencyKey } = input
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
    if (owner?.status === 'RUNNING') {
      if (!this.#isLive(owner)) this.#expire(owner)
      else if (!takeover) return this.#busy(place) ?? invalid()
      else this.#end(owner, 'FAILED', 'TAKEN_OVER')
    }
    const { itemId, complete } = place.content
    const resumed = itemId !== null && !complete && owner && owner.status !== 'COMPLETED' ? owner : undefined
    place.epoch += 1
    place.owner = sessionId
    const session: Session = {
      sessionId,
      userId,
      stream,
      startedAt: this.now,
      completedAt: null,
      status: 'RUNNING',
      epoch: place.epoch,
      leaseSeconds,
      leaseExpiresAt: null,
      rateLimitedUntil: null,
      stopRequested: false,
      endReason: null,
      attempt: resumed ? resumed.attempt + 1 : 1,
      resumedFrom: resumed?.sessionId ?? null,
      startKey: idempotencyKey,
      commits: 0,
      added: 0,
      reported: 0,
      apiRequests: 0,
      rateLimitHits: 0,
      movedAt: this.now,
    }
    this.#renew(session)
    this.sessions.set(sessionId, session)
    return this.#started(session)
  }

  #started({ sessionId, userId, stream }: Session): Outcome {
    return {
      type: 'StartSessionSuccess',
      session: this.sessionView(sessionId),
      checkpoint: this.checkpointView(userId, stream),
      plan: this.planView(userId, stream, sessionId),
    }
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
      const { itemId, count, head, complete } = place.content
      if (status === 'COMPLETED' && itemId !== null && !complete) {
        const anchors = head.length > 0 ? head : [itemId]
        const content: Content = { itemId, count, token: null, head: [], anchors, complete: true }
        place.opener = undefined
        this.#write(place, content, { source: 'COMPLETE', session, ranked: place.ranked })
      }
    }
    return { type: 'EndSessionSuccess', session: this.sessionView(sessionId) }
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
    const known = place.keys.get(input.idempotencyKey ?? '')
    if (known && known.recordedAt > this.now - DAY_MS) {
      // The contract has no answer for a repeat whose checkpoint is gone; refusing it is the one that can't mislead.
      if (known.content !== said || place.content.itemId === null) return invalid()
      return this.#saved(input, stream, known.created)
    }
    const before = place.content
    const refusal =
      (session ? this.#fence(place, session) : this.#busy(place)) ?? this.#conflict(place, input.expectedVersion)
    if (refusal) return refusal
    if (this.#ascending.has(stream) && place.ranked && BigInt(itemId) < BigInt(before.itemId ?? '0')) {
      return refuse('OrderViolationError', 'ORDER_VIOLATION', { lastItemId: before.itemId })
    }
    const count = input.bookmarksCount ?? before.count + (input.bookmarksAdded ?? 0)
    const added = (session?.added ?? 0) + (input.bookmarksAdded ?? 0)
    if (count > MAX_COUNT || added > MAX_COUNT) return invalid()

    const created = before.itemId === null
    if (created || before.complete) place.opener = session?.sessionId
    const told = input.headItemIds ?? []
    const isOpener = session !== undefined && place.opener === session.sessionId
    const imported = importing && told.length > 0
    const content: Content = {
      itemId,
      count,
      token: input.pageToken ?? null,
      head: imported ? [] : isOpener && before.head.length === 0 ? told : before.head,
      anchors: imported ? told : before.anchors,
      complete: imported,
    }
    if (imported) place.opener = undefined
    this.#write(place, content, { source: importing ? 'IMPORT' : 'SAVE', session, ranked: true })
    if (input.idempotencyKey !== undefined) {
      place.keys.set(input.idempotencyKey, { content: said, created, recordedAt: this.now })
    }
    if (session) {
      session.commits += 1
      session.added = added
      if (before.itemId !== itemId || before.token !== content.token) session.movedAt = this.now
      this.#report(session, input.metrics, input.rateLimitedUntil)
    }
    return this.#saved(input, stream, created)
  }

  #saved({ userId, sessionId }: SaveArguments, stream: string, created: boolean): Outcome {
    return {
      type: 'SaveCheckpointSuccess',
      created,
      checkpoint: this.checkpointView(userId, stream),
      session: this.sessionView(sessionId),
      stopRequested: this.sessions.get(sessionId ?? '')?.stopRequested ?? false,
    }
  }

  #isUnsound(input: SaveArguments): boolean {
    const items = [input.itemId, ...(input.headItemIds ?? [])]
    return (
      !items.every((itemId) => TWEET_ID.test(itemId)) ||
      (input.bookmarksCount !== undefined && input.bookmarksAdded !== undefined) ||
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
    by: {
      readonly source: Source
      readonly session?: Session | undefined
      readonly ranked: boolean
      readonly always?: boolean
    },
  ): void {
    const epoch = by.session?.epoch ?? 0
    place.writtenEpoch = epoch
    place.ranked = by.ranked
    const changes = JSON.stringify(content) !== JSON.stringify(place.content)
    if (!changes && by.always !== true) return
    place.content = content
    place.version += 1
    const sessionId = by.session?.sessionId ?? null
    const { version } = place
    const { source, ranked } = by
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
    if (itemId !== null) {
      place.opener = undefined
      this.#write(place, NOTHING, { source: 'CLEAR', session, ranked: false })
    }
    if (session) this.#renew(session)
    return { type: 'ClearCheckpointSuccess', cleared: itemId !== null, lastItemId: itemId }
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
    if (target.version === place.version) return answer(this.checkpointView(userId, stream), null)
    const was = { ...place }
    place.opener = undefined
    const { itemId, count, token, head, anchors, complete, ranked } = target
    const content: Content = { itemId, count, token, head, anchors, complete }
    this.#write(place, content, { source: 'ROLLBACK', ranked, always: true })
    const checkpoint = this.checkpointView(userId, stream)
    if (!dryRun) return answer(checkpoint, this.historyView(userId, stream)[0])
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
    if (before.itemId === null || before.complete) place.opener = undefined
    const content: Content = { ...before, itemId: saved, count: before.count + added, token: null, complete: false }
    this.#write(place, content, { source: 'EXTERNAL', ranked: place.ranked && saved === before.itemId })
  }

  externalClear(userId: string, stream: string): void {
    this.#externalClear(this.place(userId, stream))
  }

  #externalClear(place: Place): void {
    if (place.content.itemId === null) return
    place.opener = undefined
    this.#write(place, NOTHING, { source: 'EXTERNAL', ranked: false })
  }

  /** A row that another program wrote: no lease, epoch 0. */
  externalSession(sessionId: string, userId: string, stream: string): void {
    this.sessions.set(sessionId, {
      sessionId,
      userId,
      stream,
      startedAt: this.now,
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
      movedAt: this.now,
    })
  }
}
