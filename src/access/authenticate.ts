import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import { Fault } from '../errors/fault.ts'
import { type Credentials, localOperator, type Principal } from '../identity/principal.ts'
import { createKeyCheck } from './key-check.ts'
import { isKeyLike } from './key-format.ts'

/**
 * Identifies the caller, in the same way for every transport. It returns a promise only if the answer is not known yet.
 * @throws Fault UNAUTHENTICATED, with one message whatever is wrong with a key or token; SERVICE_UNAVAILABLE if this
 *   cannot be checked
 */
export type Authenticate = (credentials: Credentials) => Principal | Promise<Principal>

export interface AuthenticationSettings {
  /**
   * How callers authenticate. Empty: they do not. Then the server listens on a loopback address only, and each caller
   * is the local operator.
   */
  readonly authentication: readonly ('keys' | 'jwt')[]
  /** `jwt` needs this, `jwtAudience` and `jwtJwksUrl`; undefined without it. */
  readonly jwtIssuer: string | undefined
  readonly jwtAudience: string | undefined
  readonly jwtJwksUrl: string | undefined
  readonly jwtAlgorithms: readonly string[]
  /** The claim that binds a token to users. */
  readonly jwtUserIdsClaim: string
}

/**
 * Makes the function that identifies callers.
 * @param keyTrustMs how long a key's row is cached, milliseconds. Default: 10 s
 */
export function createAuthenticate(
  database: Database,
  clock: Pick<DatabaseClock, 'now'>,
  settings: AuthenticationSettings,
  keyTrustMs?: number,
): Authenticate {
  const { authentication } = settings
  if (authentication.length === 0) return () => localOperator
  const checkKey = authentication.includes('keys') ? createKeyCheck(database, clock, keyTrustMs) : undefined
  const checkToken = authentication.includes('jwt') ? createTokenCheck(clock, settings) : undefined

  return ({ authorization }) => {
    if (authorization === undefined) throw missing()
    const text = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1]
    const check = text !== undefined && isKeyLike(text) ? checkKey : checkToken
    const principal = text === undefined ? undefined : check?.(text)
    return principal instanceof Promise ? principal.then(orInvalid) : orInvalid(principal)
  }
}

function orInvalid(principal: Principal | undefined): Principal {
  if (!principal) throw invalid()
  return principal
}

function createTokenCheck(clock: Pick<DatabaseClock, 'now'>, settings: AuthenticationSettings) {
  const { jwtIssuer: issuer, jwtAudience: audience, jwtJwksUrl: jwksUrl } = settings
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) throw new Error('tokens are not set up')
  const expected = { issuer, audience, algorithms: settings.jwtAlgorithms, userIdsClaim: settings.jwtUserIdsClaim }
  const verifying = loadVerifier(new URL(jwksUrl))
  return async (token: string) => {
    const { keySet, principalOfToken } = await verifying
    return principalOfToken(token, keySet, expected, clock.now())
  }
}

/** Loads jose only for a server that takes tokens: it has 46 modules, 60 ms of processor time at each start. */
async function loadVerifier(jwksUrl: URL) {
  const [{ createKeySet }, { principalOfToken }] = await Promise.all([import('./jwks.ts'), import('./jwt.ts')])
  return { keySet: createKeySet(jwksUrl), principalOfToken }
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
