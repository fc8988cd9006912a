import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { z } from 'zod'
import { Fault } from '../errors/fault.ts'
import { identifierProblem, nameProblem } from '../identity/identifier.ts'
import { type Principal, SCOPES } from '../identity/principal.ts'

export interface JwtSettings {
  readonly issuer: string
  readonly audience: string
  /** Public-key algorithms only: with HS256 the public key would be taken for a shared secret. */
  readonly algorithms: readonly string[]
  /** The claim that binds a token to users. Its value is a list of user IDs. */
  readonly userIdsClaim: string
}

/** The last second of the year 9999. A time that was given in milliseconds lies after it. */
const LAST_SECOND = 253_402_300_799

/** jose checks the signature, issuer, audience and times. It does not check the types of the other claims read here. */
const claimsSchema = z.object({
  sub: z.string().min(1),
  exp: z.number().min(0).max(LAST_SECOND),
  nbf: z.number().min(0).max(LAST_SECOND).optional(),
  iat: z.number().min(0).max(LAST_SECOND).optional(),
  scope: z.string().optional(),
})

const userIdsSchema = z.array(z.string().refine((userId) => identifierProblem(userId) === undefined)).max(1_000)

/**
 * Verifies a token. Returns its principal, or undefined if the token is not valid.
 * A token needs `sub`, a text, and `exp`, in seconds before the year 10000. Its scopes are the known ones in `scope`,
 * which is separated by spaces; each is written alone or as "waymark:<scope>". A token without `scope` has no scopes.
 * Without the claim that binds it to users, a token reaches every user. With the claim, its value must be a list of
 * user IDs. A claim of the wrong type makes the token invalid.
 * @param now the database's time
 * @throws Fault SERVICE_UNAVAILABLE if the issuer's keys cannot be fetched
 */
export async function principalOfToken(
  token: string,
  keySet: JWTVerifyGetKey,
  { issuer, audience, algorithms, userIdsClaim }: JwtSettings,
  now: Date,
): Promise<Principal | undefined> {
  try {
    const { payload } = await jwtVerify(token, keySet, {
      issuer,
      audience,
      algorithms: [...algorithms],
      requiredClaims: ['sub', 'exp'],
      currentDate: now,
    })
    return toPrincipal(payload, userIdsClaim)
  } catch (error) {
    if (error instanceof Fault) throw error
    return undefined
  }
}

function toPrincipal(payload: JWTPayload, userIdsClaim: string): Principal | undefined {
  const claims = claimsSchema.safeParse(payload)
  if (!claims.success) return undefined
  const { sub, exp, scope } = claims.data
  const subject = `jwt:${sub}`
  const userIds = payload[userIdsClaim]
  const bound = userIds === undefined ? undefined : userIdsSchema.safeParse(userIds)
  if (nameProblem(subject) !== undefined || bound?.success === false) return undefined
  const named = new Set(scope?.split(' '))
  return {
    subject,
    scopes: new Set(SCOPES.filter((known) => named.has(known) || named.has(`waymark:${known}`))),
    userIds: bound === undefined ? 'all' : new Set(bound.data),
    expiresAt: new Date(exp * 1000),
  }
}
