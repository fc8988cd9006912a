/**
 * An outcome that a caller can expect: a member of the operation's result union, never a top-level error.
 * It does not depend on GraphQL: each domain gives its errors their types with userError (graphql/errors.ts).
 */
export abstract class DomainError extends Error {
  /** One of ErrorCode in the contract. */
  abstract readonly code: string
}

export interface InputIssue {
  /** The path from the argument on: ["input", "itemId"]. */
  readonly path: readonly string[]
  readonly message: string
}

/** Nothing was written. `issues` names every value that is wrong, not only the first. */
export class InvalidInputError extends DomainError {
  readonly code = 'INVALID_INPUT'
  readonly issues: readonly InputIssue[]

  constructor(issues: readonly InputIssue[]) {
    super(issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
    this.issues = issues
  }
}
