import {
  BusyError,
  type InputIssue,
  InvalidInputError,
  LostError,
  OrderViolationError,
  PausedError,
  VersionConflictError,
  WaymarkError,
} from './errors.ts'

/** What a result union's member may hold, as the fragment Refusal selects it. */
interface Member {
  readonly __typename: string
  readonly code?: string
  readonly message?: string
  readonly issues?: readonly InputIssue[]
  readonly closed?: { readonly endReason: string | null }
  readonly owner?: { readonly sessionId: string; readonly worker: string | null; readonly startedAt: string }
  readonly retryAt?: string | null
  readonly pause?: { readonly until: string; readonly reason: string | null }
  readonly currentVersion?: number
  readonly lastItemId?: string
}

/** @returns the result, where it is no refusal. @throws {WaymarkError} the refusal otherwise, by its code */
export function accept<Result extends { readonly __typename: string }>(
  result: Result,
): Exclude<Result, { readonly code: unknown; readonly message: string }> {
  const { code, message } = result as Member
  if (code !== undefined && message !== undefined) throw errorOf(result, code, message)
  // A member without a code is none of those that have one, which the compiler cannot see.
  return result as Exclude<Result, { readonly code: unknown; readonly message: string }>
}

function errorOf(member: Member, code: string, message: string): WaymarkError {
  const details = { code }
  const { issues, closed, owner, retryAt, pause, currentVersion, lastItemId } = member
  if (code === 'STALE_EPOCH' || code === 'SESSION_NOT_FOUND') return new LostError(message, details)
  if (code === 'SESSION_CLOSED') return new LostError(message, { ...details, endReason: closed?.endReason })
  if (issues) return new InvalidInputError(message, { ...details, issues })
  if (owner) {
    const { sessionId, worker, startedAt } = owner
    return new BusyError(message, {
      ...details,
      owner: { sessionId, worker, startedAt: new Date(startedAt) },
      retryAt: dateOf(retryAt),
    })
  }
  if (pause) return new PausedError(message, { ...details, until: new Date(pause.until), reason: pause.reason })
  if (currentVersion !== undefined) return new VersionConflictError(message, { ...details, currentVersion })
  if (code === 'ORDER_VIOLATION' && lastItemId !== undefined)
    return new OrderViolationError(message, { ...details, lastItemId })
  return new WaymarkError(message, details)
}

const dateOf = (text: string | null | undefined) => (typeof text === 'string' ? new Date(text) : null)
