import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { DatabaseAddress, TargetSession } from './database-url.ts'

/** None of the hosts of a URL may be used just now. The message names each with its reason. */
export class NoHostError extends Error {
  override readonly name = 'NoHostError'
}

/**
 * How long a host may keep silent before the next one is asked as well, milliseconds (RFC 8305 recommends 250). A
 * machine that has failed answers nothing, and must not use up the time of each new connection.
 */
const NEXT_HOST_MS = 250

const QUESTIONS: Readonly<Record<TargetSession, { readonly sql: string; readonly refusal: string }>> = {
  any: { sql: 'SELECT true AS fits', refusal: '' },
  'read-write': {
    sql: `SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS fits`,
    refusal: 'takes no writes (a standby, or read-only)',
  },
  primary: { sql: 'SELECT NOT pg_is_in_recovery() AS fits', refusal: 'is a standby' },
}

/**
 * Asks the hosts in their order, and takes the first that may be used. While a host keeps silent the next one is asked,
 * so that the search takes about as long as the answer of the right one.
 * @param open makes a client for a host's URL that is not connected yet
 * @param timeoutMs how long the search may take, milliseconds
 * @throws NoHostError if none may be used, or none has answered in time
 */
export async function findHost(
  { hostUrls, target = 'any' }: DatabaseAddress,
  open: (hostUrl: string) => pg.Client,
  timeoutMs: number,
): Promise<{ readonly host: string; readonly port: number }> {
  const clients = hostUrls.map(open)
  const over = new AbortController()
  const outcomes = clients.map((client): Outcome => ({ client, isOpen: false, reason: 'did not answer in time' }))
  const late = delay(timeoutMs, undefined, { signal: over.signal }).catch(ignore)
  try {
    const asked: Promise<pg.Client>[] = []
    for (const outcome of outcomes) {
      asked.push(ask(outcome, target))
      const isLast = outcome === outcomes.at(-1)
      const pause = isLast ? late : delay(NEXT_HOST_MS, undefined, { signal: over.signal }).catch(ignore)
      const found = await Promise.race([Promise.any(asked).catch(ignore), pause])
      if (found) return { host: found.host, port: found.port }
    }
  } finally {
    over.abort()
    for (const outcome of outcomes) close(outcome)
  }
  const reasons = outcomes.map(({ client, reason }) => `${client.host}:${client.port} ${reason}`)
  throw new NoHostError(`No host takes connections for writing: ${reasons.join('; ')}`)
}

interface Outcome {
  readonly client: pg.Client
  isOpen: boolean
  /** Why the host may not be used. */
  reason: string
}

async function ask(outcome: Outcome, target: TargetSession): Promise<pg.Client> {
  const { client } = outcome
  const { sql, refusal } = QUESTIONS[target]
  // A connection that breaks while nobody asks it anything must not end the process.
  client.on('error', ignore)
  try {
    await client.connect()
    outcome.isOpen = true
    const { rows } = await client.query<{ fits: boolean }>(sql)
    if (!rows[0]?.fits) throw new Error(refusal)
    return client
  } catch (error) {
    // An AggregateError (localhost is ::1 and 127.0.0.1) has an empty message.
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error
    outcome.reason = first instanceof Error ? first.message : 'failed'
    throw error
  }
}

/** Ends a connection, or the attempt to make one, without waiting for a server that may never answer. */
function close({ client, isOpen }: Outcome): void {
  if (isOpen) client.end().catch(ignore)
  else client.connection.stream.destroy()
}

function ignore(): undefined {
  return undefined
}
