import { Fault, type FaultCode } from '../fault.ts'
import type { Principal } from '../principal.ts'
import { RefusedRequest } from './refused-request.ts'

/** What a client shows, whichever way it comes. */
export interface Credentials {
  /** The Authorization header, or `authorization` of a WebSocket's connection parameters. */
  readonly authorization: string | undefined
}

/** A caller who was let in. */
export interface Admitted {
  readonly principal: Principal
  /** Calls back, once at the most and not after `signal` has aborted, when the credentials are no longer good. */
  readonly watch: (signal: AbortSignal, onEnd: (fault: Fault) => void) => void
}

/** @throws Fault UNAUTHENTICATED, or SERVICE_UNAVAILABLE where it can't be found out */
export type Admit = (credentials: Credentials) => Promise<Admitted>

const statusOf: Partial<Record<FaultCode, number>> = { UNAUTHENTICATED: 401, SERVICE_UNAVAILABLE: 503 }

/** Before anything of a request is read: who may not ask is told nothing of what was asked. @throws RefusedRequest 401 or 503 */
export async function admitRequest(admit: Admit, credentials: Credentials): Promise<Admitted> {
  try {
    return await admit(credentials)
  } catch (error) {
    const status = error instanceof Fault ? statusOf[error.code] : undefined
    if (!(error instanceof Fault) || status === undefined) throw error
    const headers: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer' } : { 'retry-after': '1' }
    throw new RefusedRequest(status, error.message, headers, { code: error.code })
  }
}
