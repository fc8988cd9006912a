import type { Fault } from '../../errors/fault.ts'
import type { Credentials, Principal } from '../../identity/principal.ts'

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
