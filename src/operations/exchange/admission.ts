import type { Fault } from '../../errors/fault.ts'
import type { Credentials, Principal } from '../../identity/principal.ts'

/** An admitted caller. */
export interface Admitted {
  readonly principal: Principal
  /** Calls back when the credentials become invalid: at most once, and not after `signal` has aborted. */
  readonly watch: (signal: AbortSignal, onEnd: (fault: Fault) => void) => void
}

/**
 * Authenticates a caller. Returns a promise only if it must wait: without one the request is read as it arrives,
 * instead of being kept first.
 * @throws Fault UNAUTHENTICATED; SERVICE_UNAVAILABLE or OVERLOADED if the caller cannot be checked now
 */
export type Admit = (credentials: Credentials) => Admitted | Promise<Admitted>

/**
 * Admits nobody while the server is overloaded. That is checked before the credentials, since a refusal must cost next
 * to nothing.
 */
export function shedding(admit: Admit, findOverload: () => Fault | undefined): Admit {
  return (credentials) => {
    const fault = findOverload()
    if (fault) throw fault
    return admit(credentials)
  }
}
