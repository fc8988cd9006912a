/** What an error of Waymark says beside its message. */
export interface ErrorDetails {
  /** The kind, for programs: a code of the API, or NETWORK_ERROR, TIMEOUT, HTTP_<status>, LOOP. */
  readonly code: string
  /** Names the request in the server's log. Null: no answer came, or it named none. */
  readonly requestId?: string | null
  readonly cause?: unknown
}

/** An error that Waymark answered, or that kept its answer away. The base of all others. */
export class WaymarkError extends Error {
  override readonly name: string = 'WaymarkError'
  readonly code: string
  readonly requestId: string | null

  constructor(message: string, { code, requestId = null, cause }: ErrorDetails) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.requestId = requestId
  }
}

export interface InputIssue {
  /** Where the wrong value is, e.g. ["input", "itemId"]. */
  readonly path: readonly string[]
  readonly message: string
}

/** A value was wrong (INVALID_INPUT), or the request as a whole (BAD_USER_INPUT). Correct it; a repeat does not help. */
export class InvalidInputError extends WaymarkError {
  override readonly name = 'InvalidInputError'
  /** One for each wrong value. */
  readonly issues: readonly InputIssue[]

  constructor(
    message: string,
    { issues = [], ...details }: ErrorDetails & { readonly issues?: readonly InputIssue[] },
  ) {
    super(message, details)
    this.issues = issues
  }
}

/** The session is no longer this crawler's: STALE_EPOCH, SESSION_CLOSED or SESSION_NOT_FOUND. Nothing was written. */
export class LostError extends WaymarkError {
  override readonly name = 'LostError'
  /** How the session ended: REPORTED, LEASE_EXPIRED, TAKEN_OVER or a later value. Null: the answer did not say. */
  readonly endReason: string | null

  constructor(
    message: string,
    { endReason = null, ...details }: ErrorDetails & { readonly endReason?: string | null },
  ) {
    super(message, details)
    this.endReason = endReason
  }
}

/** The session that owns a list. */
export interface Owner {
  readonly sessionId: string
  readonly worker: string | null
  readonly startedAt: Date
}

/** Another session owns the list (STREAM_BUSY). */
export class BusyError extends WaymarkError {
  override readonly name = 'BusyError'
  readonly owner: Owner
  /** When the owner's lease ends unless it is renewed. */
  readonly retryAt: Date | null

  constructor(
    message: string,
    { owner, retryAt, ...details }: ErrorDetails & { readonly owner: Owner; readonly retryAt: Date | null },
  ) {
    super(message, details)
    this.owner = owner
    this.retryAt = retryAt
  }
}

/** The list is paused (STREAM_PAUSED). */
export class PausedError extends WaymarkError {
  override readonly name = 'PausedError'
  readonly until: Date
  readonly reason: string | null

  constructor(
    message: string,
    { until, reason, ...details }: ErrorDetails & { readonly until: Date; readonly reason: string | null },
  ) {
    super(message, details)
    this.until = until
    this.reason = reason
  }
}

/** The key or token is missing, wrong or over. */
export class UnauthenticatedError extends WaymarkError {
  override readonly name = 'UnauthenticatedError'
}

/** The key or token does not allow this. */
export class ForbiddenError extends WaymarkError {
  override readonly name = 'ForbiddenError'
}

/** No answer came in time, or Waymark cannot serve now. The request was repeated, where that is safe, until its budget ran out. */
export class UnavailableError extends WaymarkError {
  override readonly name = 'UnavailableError'
  /** Whether the request may have been carried out all the same. */
  readonly mayHaveWritten: boolean

  constructor(message: string, { mayHaveWritten, ...details }: ErrorDetails & { readonly mayHaveWritten: boolean }) {
    super(message, details)
    this.mayHaveWritten = mayHaveWritten
  }
}

/** The stream is ASCENDING and the item is below the stored one. */
export class OrderViolationError extends WaymarkError {
  override readonly name = 'OrderViolationError'
  readonly lastItemId: string

  constructor(message: string, { lastItemId, ...details }: ErrorDetails & { readonly lastItemId: string }) {
    super(message, details)
    this.lastItemId = lastItemId
  }
}

/** The checkpoint has another version than expected. */
export class VersionConflictError extends WaymarkError {
  override readonly name = 'VersionConflictError'
  /** 0: there is no checkpoint. */
  readonly currentVersion: number

  constructor(message: string, { currentVersion, ...details }: ErrorDetails & { readonly currentVersion: number }) {
    super(message, details)
    this.currentVersion = currentVersion
  }
}
