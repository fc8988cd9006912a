import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { vi } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import type { MeasuredClock } from '../../src/database/clock.ts'
import type { LeaseOutage } from '../../src/database/lease-time.ts'
import { startOn } from '../support/waymark.ts'

const NEVER_MS = 86_400_000

/** A server whose time, and its database's, stands still until a test moves it. */
export interface ModelServer extends AsyncDisposable {
  /** Milliseconds; whole tens. */
  readonly now: number
  /** Runs a GraphQL operation that must have no top-level error. */
  ask(query: string, variables: object): Promise<Record<string, unknown>>
  /** As another application would, straight to the tables. */
  sql(text: string, values?: readonly unknown[]): Promise<void>
  /** Moves the time. nothing: reapers see to nobody meanwhile. reap: one then looks. outage: one looks, the first since before. */
  advance(milliseconds: number, then: 'nothing' | 'reap' | 'outage'): Promise<void>
}

/** Starts a real server over a database of its own. */
export async function startModelServer(): Promise<ModelServer> {
  // The server's clock is its process' and a measured offset to the database's: both are moved as one. What it does at intervals it
  // doesn't do here: its reaper would look at any moment, and a measurement could fall between the two moves.
  let now = Math.floor(Date.now() / 10) * 10
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now })
  const database = await createTestDatabase()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  // Before the server measures how far its clock is off, or the time that a slow machine takes to start is part of that. It ticks by a microsecond, so that what came later is later.
  await client.query(`
    CREATE TABLE crawler.test_clock (now_at timestamptz NOT NULL);
    INSERT INTO crawler.test_clock VALUES (to_timestamp(${now} / 1000.0));
    CREATE SEQUENCE crawler.test_tick;
    CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS $$ SELECT now_at + nextval('crawler.test_tick') * interval '1 microsecond' FROM crawler.test_clock $$`)
  // Nor retention, a minute after the start: it asks the clock once for each row that it looks at, and 10,000 ticks are ten milliseconds.
  let clock: MeasuredClock | undefined
  const waymark = await startOn(database.url, {}, { pruneEachMs: NEVER_MS, onClock: (measured) => (clock = measured) })
  const agent = new Agent({ keepAlive: true })

  async function ask(query: string, variables: object): Promise<Record<string, unknown>> {
    const body = JSON.stringify({ query, variables })
    const answer = await new Promise<string>((resolve, reject) => {
      const sent = request(waymark.url, {
        agent,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      })
      sent.on('error', reject).on('response', (response) => {
        text(response).then(resolve, reject)
      })
      sent.end(body)
    })
    const { data, errors } = JSON.parse(answer) as { data?: Record<string, unknown>; errors?: unknown }
    if (errors !== undefined || !data) throw new Error(`a top-level error: ${answer}`)
    return data
  }

  return {
    get now() {
      return now
    },
    ask,
    async sql(text, values = []) {
      await client.query(text, [...values])
    },
    async advance(milliseconds, then) {
      now += milliseconds
      vi.setSystemTime(now)
      await client.query(`BEGIN;
        UPDATE crawler.test_clock SET now_at = to_timestamp(${now} / 1000.0);
        SELECT setval('crawler.test_tick', 1);
        ${then === 'outage' ? '' : 'UPDATE crawler.reaper SET ticked_at = crawler.clock();'}
        ${then === 'nothing' ? '' : 'SELECT crawler.reap();'}
        UPDATE crawler.reaper SET ticked_at = crawler.clock();
        COMMIT`)
      if (then !== 'outage') return
      // As the server's own reaper does with its next tick.
      const { rows } = await client.query<LeaseOutage>(
        `SELECT alive_after AS "aliveAfter", alive_again_at AS "aliveAgainAt" FROM crawler.reaper WHERE alive_after IS NOT NULL`,
      )
      clock?.noteOutage(rows[0] ?? null)
    },
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await client.end()
      await waymark.close()
      await database[Symbol.asyncDispose]()
      vi.useRealTimers()
    },
  }
}
