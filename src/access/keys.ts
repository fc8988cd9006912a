import { z } from 'zod'
import type { Database } from '../database/database.ts'
import { InvalidInputError } from '../errors/domain-error.ts'
import { identifierSchema } from '../identity/identifier.ts'
import { issuesOf } from '../errors/input-issues.ts'
import { type Principal, requireFullReach, requireScope, SCOPES, type Scope } from '../identity/principal.ts'
import { makeKey } from './key-format.ts'
import { type ApiKey, insertKey, listKeys, markRevoked } from './key-store.ts'

export interface CreateKeyInput {
  /** Whose key it is. A client can have two live keys. */
  readonly client: string
  readonly scopes: readonly Scope[]
  /** undefined: every user. */
  readonly userIds: readonly string[] | undefined
  /** undefined: the key never expires. */
  readonly expiresAt: Date | undefined
}

export interface CreatedKey {
  readonly keyId: string
  /** The key itself. It is not stored, so it can be shown only now. */
  readonly text: string
}

/** Each statement of a bound caller carries the list of its users. */
const MOST_USER_IDS = 1_000

const inputSchema = z.object({
  client: z.string().regex(/^[A-Za-z0-9._@-]{1,100}$/, 'must be 1 to 100 of A-Z, a-z, 0-9, ".", "_", "@" and "-"'),
  scopes: z.array(z.enum(SCOPES)).min(1, 'must name at least one scope'),
  userIds: z.array(identifierSchema).min(1, 'must name at least one user').max(MOST_USER_IDS).optional(),
})

/**
 * Makes a key. A client can have two live keys: one in use, and one to change to.
 * @param now the database's time
 * @returns InvalidInputError for invalid input, or if the client has two live keys already
 * @throws Fault FORBIDDEN unless the caller has scope admin and reaches all users
 */
export async function createKey(
  database: Database,
  caller: Principal,
  input: CreateKeyInput,
  now: Date,
): Promise<CreatedKey | InvalidInputError> {
  requireAdmin(caller)
  const issues = issuesOf(inputSchema.safeParse(input), [])
  if (input.expiresAt && input.expiresAt <= now) issues.push({ path: ['expiresAt'], message: 'must be in the future' })
  if (issues.length > 0) return new InvalidInputError(issues)
  const { keyId, text, hash } = makeKey()
  const isCreated = await insertKey(database, {
    keyId,
    hash,
    client: input.client,
    scopes: [...new Set(input.scopes)],
    userIds: input.userIds ? [...new Set(input.userIds)] : null,
    expiresAt: input.expiresAt ?? null,
    createdBy: caller.subject,
  })
  if (isCreated) return { keyId, text }
  const message = `${input.client} has two live keys already: revoke the one that is not in use any more`
  return new InvalidInputError([{ path: ['client'], message }])
}

/**
 * All keys, including revoked and expired ones. Nobody knows their secrets.
 * @throws Fault FORBIDDEN as createKey does
 */
export function allKeys(database: Database, caller: Principal): Promise<ApiKey[]> {
  requireAdmin(caller)
  return listKeys(database)
}

/**
 * Revokes a key for good: after at most 30 s no replica accepts it. Revoking it again changes nothing.
 * @returns undefined: there is no such key
 * @throws Fault FORBIDDEN as createKey does
 */
export function revokeKey(database: Database, caller: Principal, keyId: string): Promise<ApiKey | undefined> {
  requireAdmin(caller)
  return markRevoked(database, keyId)
}

function requireAdmin(caller: Principal): void {
  requireScope(caller, 'admin')
  requireFullReach(caller)
}
