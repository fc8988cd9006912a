/**
 * An outcome that a caller can expect: a member of the operation's result union, never a top-level error.
 * It knows nothing of GraphQL; each domain gives its errors their types with userError (graphql/errors.ts).
 */
export abstract class DomainError extends Error {
  /** One of the contract's ErrorCode. */
  abstract readonly code: string
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
