import { createRemoteJWKSet, customFetch, errors, type FetchImplementation, type JWTVerifyGetKey } from 'jose'
import { Fault } from '../errors/fault.ts'

/** An unknown key ID causes at most one fetch in this time, milliseconds. */
const COOL_DOWN_MS = 30_000
/** After a failed fetch, none is tried for this time, milliseconds. */
const RETRY_COOL_DOWN_MS = 5_000
/** The set is fetched again after this time, milliseconds. A key that was removed from it is not trusted longer. */
const MAX_AGE_MS = 10 * 60_000
/** Shorter than clients wait for an answer, milliseconds. */
const TIMEOUT_MS = 3_000

/**
 * The keys of a token issuer, fetched when they are first needed.
 * The returned function throws Fault SERVICE_UNAVAILABLE if the set cannot be fetched: that is not the caller's
 * mistake.
 * @param url where the issuer publishes its JWKS
 */
export function createKeySet(url: URL): JWTVerifyGetKey {
  let failedAtMs = -Infinity

  const fetchOnce: FetchImplementation = async (href, options) => {
    if (performance.now() - failedAtMs < RETRY_COOL_DOWN_MS) throw unavailable(undefined)
    try {
      const response = await fetch(href, options)
      if (response.status !== 200) throw new Error(`the JWKS was answered with status ${response.status}`)
      const text = await response.text()
      if (!Array.isArray((JSON.parse(text) as { keys?: unknown } | null)?.keys)) throw new Error('the JWKS has no keys')
      return new Response(text)
    } catch (error) {
      failedAtMs = performance.now()
      throw unavailable(error)
    }
  }

  const getKey = createRemoteJWKSet(url, {
    cooldownDuration: COOL_DOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: fetchOnce,
  })
  return async (header, token) => {
    try {
      return await getKey(header, token)
    } catch (error) {
      throw error instanceof errors.JWKSInvalid || error instanceof errors.JWKSTimeout ? unavailable(error) : error
    }
  }
}

function unavailable(cause: unknown): Fault {
  return new Fault(
    'SERVICE_UNAVAILABLE',
    'The keys that tokens are verified with cannot be fetched just now. Try again in a few seconds.',
    { cause },
  )
}
