import { DomainError } from '../errors/domain-error.ts'

export interface User {
  readonly userId: string
}

/** Nothing was written: a checkpoint or a session needs its user first. */
export class UserNotFoundError extends DomainError {
  readonly code = 'USER_NOT_FOUND'

  constructor(userId: string) {
    super(
      `There is no user ${JSON.stringify(userId)}: call registerUser first, or, where another application makes the users, let it make this one.`,
    )
  }
}
