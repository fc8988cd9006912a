import type { DatabaseClock } from '../database/clock.ts'
import { Fault } from '../errors/fault.ts'
import { type Credentials, type Principal, sameRights } from '../identity/principal.ts'
import type { Authenticate } from './authenticate.ts'

/**
 * How often the credentials of an open stream are checked again, milliseconds. A key is cached for another 10 s, so a
 * revocation ends the stream within 20 s.
 */
const LOOK_MS = 10_000
/** The longest delay that setTimeout accepts, milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Watches the credentials of a stream while it is open, since they were checked only when it began.
 * While the database is unreachable, the credentials count as valid until they expire: no event can be read meanwhile.
 * @param signal aborts when the stream is over
 * @param onEnd called at most once: when the credentials have expired (a key's expiry may be changed meanwhile) or been
 *   revoked, or when their scopes or users have changed. Its fault is what the client is told
 */
export function watchCredentials(
  {
    authenticate,
    clock,
    lookMs = LOOK_MS,
  }: {
    readonly authenticate: Authenticate
    readonly clock: Pick<DatabaseClock, 'now'>
    readonly lookMs?: number
  },
  credentials: Credentials,
  principal: Principal,
  signal: AbortSignal,
  onEnd: (fault: Fault) => void,
): void {
  if (signal.aborted) return
  const looking = setInterval(() => void look(), lookMs)
  let expiring: NodeJS.Timeout | undefined
  follow(principal)
  signal.addEventListener('abort', stop, { once: true })

  function stop(): void {
    clearInterval(looking)
    clearTimeout(expiring)
  }

  function end(fault: Fault): void {
    if (signal.aborted) return
    stop()
    signal.removeEventListener('abort', stop)
    onEnd(fault)
  }

  /** Sets the timer for the present expiry, because an operator can change a key's expiry. */
  function follow({ expiresAt }: Principal): void {
    clearTimeout(expiring)
    const leftMs = expiresAt === null ? Infinity : expiresAt.getTime() - clock.now().getTime()
    if (leftMs < LONGEST_TIMER_MS) expiring = setTimeout(() => void lookAtExpiry(), Math.max(leftMs, 0))
  }

  async function look(): Promise<void> {
    try {
      judge(await authenticate(credentials))
    } catch (error) {
      if (error instanceof Fault && error.code === 'UNAUTHENTICATED') end(error)
    }
  }

  /** If a later expiry cannot be looked up, the known one counts. */
  async function lookAtExpiry(): Promise<void> {
    try {
      judge(await authenticate(credentials))
    } catch {
      end(expired())
    }
  }

  function judge(seen: Principal): void {
    if (signal.aborted) return
    if (sameRights(seen, principal)) follow(seen)
    else end(changed())
  }
}

function expired(): Fault {
  return new Fault('UNAUTHENTICATED', 'This key or token has expired: go on after the last cursor with a new one.')
}

function changed(): Fault {
  return new Fault(
    'UNAUTHENTICATED',
    'The scopes or users of this key have changed: subscribe again, after the last cursor.',
  )
}
