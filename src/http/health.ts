import type { ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { describeError } from '../errors/describe-error.ts'
import { sendJson } from './answers/send.ts'

export interface Readiness {
  readonly ready: boolean
  /** Why it is not ready. Anybody can read it, so it contains only our own words. */
  readonly reason?: string
  /** How far the feed is behind the writes. Only reported; it never makes the server unready. */
  readonly feed?: { readonly heldBackMs: number; readonly lagEvents: number }
  /** Only reported; it never makes the server unready: if every replica were overloaded, none would be left. */
  readonly load?: { readonly lagMs: number; readonly isShedding: boolean }
}

/**
 * Answers GET /health: the process runs. The database does not matter, so that its outage does not restart replicas.
 */
export function answerHealth(response: ServerResponse): void {
  sendJson(response, 200, { status: 'ok' })
}

/** The most age of an answer to GET /ready, milliseconds. */
const MOST_AGE_MS = 1_000

/**
 * Shares one check among all requests within a second, so that frequent requests cost the database one statement a
 * second.
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

/**
 * Answers GET /ready: 200 with the delay of the feed if requests should be sent here now, otherwise 503 with the
 * reason.
 */
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
