import { Fault, type FaultCode } from '../fault.ts'
import type { Credentials, Principal } from '../principal.ts'
import { RefusedRequest } from './refused-request.ts'

/** A caller who was let in. */
export interface Admitted {
  readonly principal: Principal
  /** Calls back, once at the most and not after `signal` has aborted, when the credentials are no longer good. */
  readonly watch: (signal: AbortSignal, onEnd: (fault: Fault) => void) => void
}

/**
 * No promise where it is known already: what a request brings along is then read as it comes, not kept for later first.
 * @throws Fault UNAUTHENTICATED; SERVICE_UNAVAILABLE or OVERLOADED where it can't be found out
 */
export type Admit = (credentials: Credentials) => Admitted | Promise<Admitted>

/** Admits nobody while there is too much to do: that comes before who it is, since it must cost next to nothing. */
export function shedding(admit: Admit, findOverload: () => Fault | undefined): Admit {
  return (credentials) => {
    const fault = findOverload()
    if (fault) throw fault
    return admit(credentials)
  }
}

const statusOf: Partial<Record<FaultCode, number>> = {
  UNAUTHENTICATED: 401,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  SERVICE_UNAVAILABLE: 503,
}

/** Before anything of a request is read: who may not ask is told nothing of what was asked. @throws RefusedRequest 401 or 503 */
export function admitRequest(admit: Admit, credentials: Credentials): Admitted | Promise<Admitted> {
  try {
    const admitted = admit(credentials)
    return admitted instanceof Promise ? admitted.catch(refuse) : admitted
  } catch (error) {
    return refuse(error)
  }
}

/** Refuses a request for a fault that comes before its operation. @throws RefusedRequest, or what it was given where that is no such fault */
export function refuse(error: unknown): never {
  const status = error instanceof Fault ? statusOf[error.code] : undefined
  if (!(error instanceof Fault) || status === undefined) throw error
  const { code, message, retryAfterSeconds } = error
  if (status === 401) throw new RefusedRequest(status, message, { 'www-authenticate': 'Bearer' }, { code })
  throw new RefusedRequest(status, message, { 'retry-after': String(retryAfterSeconds) }, { code, retryAfterSeconds })
}
