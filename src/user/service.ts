import type { Principal } from '../identity/principal.ts'
import type { Database } from '../database/database.ts'
import { InvalidInputError } from '../errors/domain-error.ts'
import { identifierProblem } from '../identity/identifier.ts'
import type { User } from './model.ts'
import { insertUsers } from './store.ts'

/**
 * Makes a user known. A user who is known already is returned as they are.
 * @returns the user, or InvalidInputError if the ID is invalid or out of reach, or if another application makes this
 *   database's users
 */
export async function registerUser(
  database: Database,
  caller: Principal,
  input: { readonly userId: string },
): Promise<User | InvalidInputError> {
  const { userId } = input
  const refuse = (message: string) => new InvalidInputError([{ path: ['input', 'userId'], message }])
  const problem = identifierProblem(userId)
  if (problem) return refuse(problem)
  switch (await insertUsers(database, caller.userIds, [userId])) {
    case 'ok':
      return { userId }
    case 'too-long':
      return refuse('is longer than public."user".id of this database allows')
    case 'out-of-reach':
      return refuse(`is none of the users that ${caller.subject} is bound to`)
    case 'not-ours':
      return refuse(
        'cannot be made here: the owner of public."user" makes the users of this database (it needs more than an id, or Waymark may only read it). ' +
          'Create the user in that application, then crawl.',
      )
  }
}
