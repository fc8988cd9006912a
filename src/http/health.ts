import type { ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { describeError } from '../errors/describe-error.ts'
import { sendJson } from './answers/send.ts'

export interface Readiness {
  readonly ready: boolean
  /** Why not, in words of ours: it is answered to anybody. */
  readonly reason?: string
  /** How far the feed is behind what was written: told while ready, and no reason not to be. */
  readonly feed?: { readonly heldBackMs: number; readonly lagEvents: number }
  /** Told, and no reason not to be ready either: where every replica has too much to do, none would be left to do any of it. */
  readonly load?: { readonly lagMs: number; readonly isShedding: boolean }
}

/** GET /health: the process answers. Says nothing of the database, so that an outage there doesn't get replicas restarted. */
export function answerHealth(response: ServerResponse): void {
  sendJson(response, 200, { status: 'ok' })
}

/** An answer to GET /ready is at most this old, milliseconds. */
const MOST_AGE_MS = 1_000

/**
 * The same check for everybody who asks within a second: whoever asks without end costs the database one statement a second.
 * @param check never called while it runs
 */
export function shareReadiness(check: () => Promise<Readiness>): () => Promise<Readiness> {
  let latest: Promise<Readiness> | undefined
  let sinceMs = 0
  let isRunning = false
  return () => {
    if (latest && (isRunning || performance.now() - sinceMs < MOST_AGE_MS)) return latest
    sinceMs = performance.now()
    isRunning = true
    latest = check().finally(() => (isRunning = false))
    return latest
  }
}

/** GET /ready: whether requests should be sent here now, and how far the feed is behind; 503 with the reason if not. */
export async function answerReady(
  response: ServerResponse,
  isReady: () => Promise<Readiness>,
  log: Logger,
): Promise<void> {
  const { ready, reason, feed, load } = await isReady().catch((error: unknown): Readiness => {
    log.error({ error: describeError(error, { stack: true }) }, 'the readiness check failed')
    return { ready: false, reason: 'the readiness check failed; the log says why' }
  })
  sendJson(response, ready ? 200 : 503, ready ? { status: 'ok', feed, load } : { status: 'unavailable', reason })
}
