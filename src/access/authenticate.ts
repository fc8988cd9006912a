import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import { Fault } from '../fault.ts'
import { localOperator, type Principal } from '../principal.ts'
import { createKeySet } from './jwks.ts'
import { type JwtSettings, principalOfToken } from './jwt.ts'
import { createKeyCheck } from './key-check.ts'
import { isKeyLike } from './key-format.ts'

/** What a client shows: the Authorization header, or the same in a WebSocket's connection parameters. */
export interface Credentials {
  readonly authorization: string | undefined
}

/**
 * Says who calls, for every transport alike.
 * @throws Fault UNAUTHENTICATED, with one message whatever is wrong with a key or token; SERVICE_UNAVAILABLE where that can't be found out
 */
export type Authenticate = (credentials: Credentials) => Promise<Principal>

export interface AuthenticationSettings {
  /** Empty: nobody has to authenticate. */
  readonly authentication: readonly ('keys' | 'jwt')[]
  readonly jwt: (JwtSettings & { readonly jwksUrl: string }) | undefined
}

/** @param keyTrustMs so long a key's row is believed, milliseconds */
export function createAuthenticate(
  database: Database,
  clock: Pick<DatabaseClock, 'now'>,
  { authentication, jwt }: AuthenticationSettings,
  keyTrustMs?: number,
): Authenticate {
  if (authentication.length === 0) return () => Promise.resolve(localOperator)
  const checkKey = authentication.includes('keys') ? createKeyCheck(database, clock, keyTrustMs) : undefined
  const checkToken = jwt && authentication.includes('jwt') ? createTokenCheck(clock, jwt) : undefined

  return async ({ authorization }) => {
    if (authorization === undefined) throw missing()
    const text = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1]
    const check = text !== undefined && isKeyLike(text) ? checkKey : checkToken
    const principal = text === undefined ? undefined : await check?.(text)
    if (!principal) throw invalid()
    return principal
  }
}

function createTokenCheck(clock: Pick<DatabaseClock, 'now'>, jwt: JwtSettings & { readonly jwksUrl: string }) {
  const keySet = createKeySet(new URL(jwt.jwksUrl))
  return (token: string) => principalOfToken(token, keySet, jwt, clock.now())
}

function missing(): Fault {
  return new Fault(
    'UNAUTHENTICATED',
    'Say who calls: send the header Authorization: Bearer <API key or token>, over a WebSocket also as authorization in the connection parameters.',
  )
}

function invalid(): Fault {
  return new Fault(
    'UNAUTHENTICATED',
    'This key or token is not valid, or not any more: ask an operator for another one.',
  )
}
