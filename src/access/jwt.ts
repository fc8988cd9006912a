import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { z } from 'zod'
import { Fault } from '../errors/fault.ts'
import { identifierProblem, nameProblem } from '../identity/identifier.ts'
import { type Principal, SCOPES } from '../identity/principal.ts'

export interface JwtSettings {
  readonly issuer: string
  readonly audience: string
  /** Public-key ones only: with HS256 the public key would be taken for a shared secret. */
  readonly algorithms: readonly string[]
  /** The claim that binds a token to users: a list of their IDs. */
  readonly userIdsClaim: string
}

/** The last second of the year 9999. Milliseconds where seconds belong are a time after it. */
const LAST_SECOND = 253_402_300_799

/** jose checks the signature, issuer, audience and times, and not the types of what we read beside them. */
const claimsSchema = z.object({
  sub: z.string().min(1),
  exp: z.number().min(0).max(LAST_SECOND),
  nbf: z.number().min(0).max(LAST_SECOND).optional(),
  iat: z.number().min(0).max(LAST_SECOND).optional(),
  scope: z.string().optional(),
})

const userIdsSchema = z.array(z.string().refine((userId) => identifierProblem(userId) === undefined)).max(1_000)

/**
 * Whose a token is; undefined: nobody's. It needs a subject, which is text, and an expiry, in seconds before the year
 * 10000. Its scopes are those of ours in `scope`, alone or as "waymark:<scope>", separated by spaces; a token without
 * that claim has none. Without the claim for users it reaches every user. With the claim, that must be a list of user
 * IDs. A token with a claim of another type is invalid.
 * @throws Fault SERVICE_UNAVAILABLE where the issuer's keys can't be fetched
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
