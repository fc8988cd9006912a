import { Fault, type FaultCode } from '../../errors/fault.ts'
import type { Credentials } from '../../identity/principal.ts'
import type { Admit, Admitted } from '../../operations/exchange/admission.ts'
import { RefusedRequest } from './refused-request.ts'

const statusOf: Partial<Record<FaultCode, number>> = {
  UNAUTHENTICATED: 401,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  SERVICE_UNAVAILABLE: 503,
}

/**
 * Admits the caller before anything of the request is read, so a caller without access learns nothing about it.
 * @throws RefusedRequest 401 or 503
 */
export function admitRequest(admit: Admit, credentials: Credentials): Admitted | Promise<Admitted> {
  try {
    const admitted = admit(credentials)
    return admitted instanceof Promise ? admitted.catch(refuse) : admitted
  } catch (error) {
    return refuse(error)
  }
}

/**
 * Refuses a request because of a fault before its operation.
 * @throws RefusedRequest, or `error` itself if it is not such a fault
 */
export function refuse(error: unknown): never {
  const status = error instanceof Fault ? statusOf[error.code] : undefined
  if (!(error instanceof Fault) || status === undefined) throw error
  const { code, message, retryAfterSeconds } = error
  if (status === 401) throw new RefusedRequest(status, message, { 'www-authenticate': 'Bearer' }, { code })
  throw new RefusedRequest(status, message, { 'retry-after': String(retryAfterSeconds) }, { code, retryAfterSeconds })
}
