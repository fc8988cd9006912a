import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrate.ts'
import { createTestDatabase } from '../support/database.ts'
import { scrape } from '../support/metrics.ts'
import { NO_REPLICATION, replicationBinaries, startReplication } from '../support/replicated-postgres.ts'
import { clientOf, mutate, operations, startOn } from '../support/waymark.ts'

const POOL_SIZE = 6
const CLIENTS = 16

describe('a synchronous standby that is missing', { timeout: 180_000 }, () => {
  it('is tried where PostgreSQL can be replicated', (context) => {
    if (replicationBinaries === undefined) context.skip(NO_REPLICATION)
  })

  it.skipIf(replicationBinaries === undefined)(
    'takes no more connections than the pool has, leaves reads as they are, and writes go on once it is back',
    async () => {
      await using replication = await startReplication(replicationBinaries ?? '')
      const primary = await replication.createPrimary(['max_connections = 20'])
      await migrate({ databaseUrl: primary.url })
      const settings = {
        DATABASE_POOL_SIZE: String(POOL_SIZE),
        DATABASE_STATEMENT_TIMEOUT_MS: '1000',
        METRICS_PORT: '0',
      }
      const app = await startOn(primary.url, settings)
      const client = clientOf(app.url)
      const ready = async () => (await fetch(new URL('/ready', app.url))).json() as Promise<{ reason?: string }>
      const abandoned = async () => (await scrape(app.metricsUrl ?? '')).get('waymark_pool_abandoned')
      const codes = new Set<string | undefined>()
      let clients: Promise<void>[] = []
      let isOver = false
      try {
        for (let index = 0; index < CLIENTS; index += 1)
          await mutate(client, 'registerUser', { userId: `user${index}` })
        await primary.configure([`synchronous_standby_names = 'missing'`])
        await primary.query('SELECT pg_reload_conf()')

        clients = Array.from({ length: CLIENTS }, async (_, index) => {
          while (!isOver) {
            const operation = index % 2 === 0 ? operations.saveCheckpoint : operations.startSession
            const input = { userId: `user${index}`, ...(index % 2 === 0 && { itemId: '1' }) }
            const { errors } = await client.send(operation, { input })
            codes.add(errors?.[0]?.extensions.code)
            await sleep(20)
          }
        })
        let most: unknown[] = []
        const deadline = performance.now() + 12_000
        while (performance.now() < deadline) {
          const rows = await primary.query(
            `SELECT application_name, wait_event FROM pg_stat_activity WHERE application_name LIKE 'waymark%'`,
          )
          if (rows.length > most.length) most = rows
          await sleep(200)
        }
        // The pool, one that listens, and one that is open for reads though all others are abandoned.
        expect(most.length, JSON.stringify(most)).toBeLessThanOrEqual(POOL_SIZE + 2)
        expect(await abandoned()).toBeGreaterThanOrEqual(POOL_SIZE / 2)
        expect(await ready()).toMatchObject({ reason: 'writes get no answer from the database' })
        const read = () => client.send('{ user(userId: "user0") { userId } }')
        await expect.poll(async () => (await read()).data, { timeout: 5_000 }).toEqual({ user: { userId: 'user0' } })
        isOver = true
        await Promise.all(clients)
        for (const code of codes) expect(code).toMatch(/^(SERVICE_UNAVAILABLE|OVERLOADED)$/)

        await primary.configure([`synchronous_standby_names = ''`])
        await primary.query('SELECT pg_reload_conf()')
        await expect.poll(abandoned, { timeout: 10_000 }).toBe(0)
        await expect.poll(ready, { timeout: 10_000 }).toMatchObject({ status: 'ok' })
        await mutate(client, 'saveCheckpoint', { userId: 'user0', itemId: '2' })
      } finally {
        isOver = true
        await Promise.all(clients)
        await app.close()
      }
    },
  )
})

it.each([
  ['remote_apply', 'remote_apply'],
  ['on', 'on'],
  ['remote_write', 'on'],
  ['local', 'on'],
  ['off', 'on'],
])('a database that is set to synchronous_commit=%s commits with %s', async (set, used) => {
  await using test = await createTestDatabase()
  await test.query(`ALTER DATABASE ${test.name} SET synchronous_commit = '${set}'`)
  const timeouts = { connectTimeoutMs: 5_000, statementTimeoutMs: 5_000 }
  const database = openDatabase({ url: test.url, poolSize: 1, ...timeouts, log: pino({ level: 'silent' }) })
  try {
    const statement = { text: `SELECT current_setting('synchronous_commit') AS used`, values: [] }
    expect(await database.query(statement)).toEqual([{ used }])
  } finally {
    await database.close()
  }
})
