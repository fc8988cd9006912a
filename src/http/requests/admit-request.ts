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
 * Lets a caller in before anything of the request is read: who may not ask is told nothing of what was asked.
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
 * Refuses a request for a fault that comes before its operation.
 * @throws RefusedRequest, or what it was given where that is no such fault
 */
export function refuse(error: unknown): never {
  const status = error instanceof Fault ? statusOf[error.code] : undefined
  if (!(error instanceof Fault) || status === undefined) throw error
  const { code, message, retryAfterSeconds } = error
  if (status === 401) throw new RefusedRequest(status, message, { 'www-authenticate': 'Bearer' }, { code })
  throw new RefusedRequest(status, message, { 'retry-after': String(retryAfterSeconds) }, { code, retryAfterSeconds })
}
