import type { DatabaseClock } from '../database/clock.ts'
import { Fault } from '../errors/fault.ts'
import { type Credentials, type Principal, sameRights } from '../identity/principal.ts'
import type { Authenticate } from './authenticate.ts'

/** How often the credentials of what lives on are looked at again, milliseconds; with the time that a key is believed: seen within 20 s. */
const LOOK_MS = 10_000
/** setTimeout takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Watches the credentials of a stream for as long as it lives, since they were judged only when it began.
 * Where the database is away, nobody can say whether they hold. Until they expire they are taken to hold: no event
 * comes from there.
 * @param signal aborts when the stream is over
 * @param onEnd called once, with the fault to tell, when the credentials have expired (a key's expiry may be changed
 *   meanwhile) or been revoked, or when their scopes or users have changed: the stream was begun with the old ones
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

  /** Waits for the expiry that the credentials have now: an operator may have set another one for a key. */
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

  /** Where nobody can say whether there is a later expiry, the known one holds. */
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
