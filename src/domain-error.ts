/** Every outcome that a caller can expect and that is not success. The contract's ErrorCode. */
export type DomainErrorCode =
  | 'INVALID_INPUT'
  | 'USER_NOT_FOUND'
  | 'CHECKPOINT_NOT_FOUND'
  | 'SESSION_NOT_FOUND'
  | 'SESSION_EXISTS'
  | 'SESSION_CLOSED'
  | 'STREAM_BUSY'
  | 'STALE_EPOCH'
  | 'VERSION_CONFLICT'
  | 'ORDER_VIOLATION'
  | 'HISTORY_EXPIRED'

/**
 * An outcome that a caller can expect: a member of the operation's result union, never a top-level error.
 * It knows nothing of GraphQL; graphql/errors.ts gives each subclass its type. Services return or throw it.
 */
export abstract class DomainError extends Error {
  abstract readonly code: DomainErrorCode
}

export interface InputIssue {
  /** From the argument on: ["input", "itemId"]. */
  readonly path: readonly string[]
  readonly message: string
}

/** Nothing was written; `issues` names each value that is wrong, not only the first. */
export class InvalidInputError extends DomainError {
  readonly code = 'INVALID_INPUT'
  readonly issues: readonly InputIssue[]

  constructor(issues: readonly InputIssue[]) {
    super(issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
    this.issues = issues
  }
}
