// All that crawler.ts asks of Waymark. Each of these may be sent twice without counting anything twice.
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Told } from './follow-plan.ts'
import { request } from './request.ts'

export type Plan = {
  mode: 'FULL' | 'RESUME' | 'INCREMENTAL' | 'CATCH_UP'
  afterItemId: string | null
  pageToken: string | null
  untilItemIds: string[]
  reason: string
}
export type Started = { plan?: Plan; checkpoint?: { bookmarksCount: number } | null }
type Answer = Started & {
  code?: string
  message?: string
  retryAt?: string
  stopRequested?: boolean
  session?: { stallReason: string | null } | null
  saver?: { stallReason: string | null }
}

const { WAYMARK_URL = 'http://127.0.0.1:4000/graphql', LEASE_SECONDS = '30' } = process.env
const STARTED = `... on StreamBusyError { retryAt } ... on StartSessionSuccess {
  plan { mode afterItemId pageToken untilItemIds reason } checkpoint { bookmarksCount } }`

/** Runs e.g. saveCheckpoint(input: SaveCheckpointInput!). A refusal is an answer too: it has a code. */
async function mutate(name: string, input: object, selection = ''): Promise<Answer> {
  const result = `result: ${name}(input: $input) { ${selection} ... on UserError { code message } }`
  const query = `mutation ($input: ${name.charAt(0).toUpperCase()}${name.slice(1)}Input!) { ${result} }`
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify({ query, variables: { input } }) }
  const { data, errors } = (await request(WAYMARK_URL, init)).body as { data: { result: Answer }; errors?: object[] }
  if (errors) throw new Error(JSON.stringify(errors))
  return data.result
}

/** The session is no longer this crawler's: another has taken the list, or somebody ended it. Nothing is left to end. */
export class LostError extends Error {}

function accept(answer: Answer): Answer {
  if (answer.code === 'STALE_EPOCH' || answer.code === 'SESSION_CLOSED') throw new LostError(answer.message)
  if (answer.code !== undefined) throw new Error(answer.message)
  return answer
}

/**
 * Takes the list, and waits for it first where it is busy: a crawler that was killed owns it until its lease ends, a living one until
 * it is done. @returns no plan where it was stopped meanwhile
 */
export async function startSession(session: object, stop: AbortSignal): Promise<Started> {
  const lease = { leaseSeconds: Number(LEASE_SECONDS), worker: `${hostname()}:${process.pid}` }
  const input = { ...session, ...lease, idempotencyKey: randomUUID() }
  while (!stop.aborted) {
    const answer = await mutate('startSession', input, STARTED)
    if (answer.code !== 'STREAM_BUSY') return accept(answer)
    const waitMs = Date.parse(answer.retryAt ?? '') - Date.now()
    await sleep(Math.min(Math.max(waitMs, 100), 1_000), undefined, { signal: stop }).catch(() => 'told to stop')
  }
  return {}
}

// Nullable in one type and not in the other: GraphQL lets the two meet only under different names.
const SAVED = `... on SaveCheckpointSuccess { stopRequested session { stallReason } }
  ... on TokenSavedSuccess { stopRequested saver: session { stallReason } }`

/** The key: an attempt that was given up may still arrive, and later. */
export async function saveCheckpoint(save: object): Promise<Told> {
  const answer = accept(await mutate('saveCheckpoint', { ...save, idempotencyKey: randomUUID() }, SAVED))
  return {
    stopRequested: answer.stopRequested === true,
    isLoop: (answer.session ?? answer.saver)?.stallReason === 'LOOP',
  }
}

/** Says that the crawler lives, and renews its lease. @returns whether it is to stop */
export async function heartbeat(sessionId: string): Promise<boolean> {
  const answer = await mutate('heartbeat', { sessionId }, '... on HeartbeatSuccess { stopRequested }')
  return accept(answer).stopRequested === true
}

/** Waits as the platform asks. The heartbeats say that the crawler lives, and keep its lease until then. */
export async function waitUntil(rateLimitedUntil: Date, sessionId: string, stop: AbortController): Promise<void> {
  while (new Date() < rateLimitedUntil && !stop.signal.aborted) {
    const beat = { sessionId, rateLimitedUntil }
    const answer = await mutate('heartbeat', beat, '... on HeartbeatSuccess { stopRequested }')
    if (accept(answer).stopRequested) stop.abort()
    const waitMs = rateLimitedUntil.getTime() - Date.now()
    await sleep(Math.min(waitMs, 10_000), undefined, stop).catch(() => 'told to stop')
  }
}

/** Ending it again in the same way changes nothing. */
export async function endSession(how: 'completeSession' | 'stopSession' | 'failSession', end: object): Promise<void> {
  accept(await mutate(how, end))
}
