import { describe, expect, it } from 'vitest'
import { pino } from 'pino'
import { openDatabase } from '../../../src/database/database.ts'
import { createTestDatabase, withClient } from '../../support/database.ts'
import { readFeed } from '../../support/feed-reader.ts'
import { hasPgBouncer, NO_PGBOUNCER, startPgBouncer } from '../../support/pgbouncer.ts'
import { runCommand } from '../../support/server-process.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const REFUSAL =
  /^DATABASE_URL leads to a pooler in transaction or statement mode, .*: set pool_mode=session .*\(docs\/database\.md\)\.$/

// Commands start, seconds each on a busy machine.
describe('behind PgBouncer', { timeout: 90_000 }, () => {
  it('there is one to try on', (context) => {
    if (!hasPgBouncer) context.skip(NO_PGBOUNCER)
  })

  it.runIf(hasPgBouncer)('in session mode a server migrates, saves, and hears of what others write', async () => {
    await using database = await createTestDatabase('empty')
    await using pgbouncer = await startPgBouncer(database.url)
    const app = await startOn(pgbouncer.url)
    try {
      const client = clientOf(app.url)
      await mutate(client, 'registerUser', { userId: 'ada' })
      const { checkpoints } = await client.ask('{ checkpoints(first: 1) { feedCursor } }')
      expect(await mutate(client, 'saveCheckpoint', { userId: 'ada', itemId: '1' })).toMatchObject({ created: true })
      const told = readFeed(app.url, 'checkpointChanged', { after: checkpoints.feedCursor as string }, 2)
      await database.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = '2'`)
      expect((await told).told).toMatchObject([{ lastItemId: '1' }, { lastItemId: '2' }])
      const listening = `SELECT FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'LISTEN %'`
      await expect.poll(async () => (await database.query(listening, [database.name])).length).toBe(1)
    } finally {
      await app.close()
    }
  })

  it.runIf(hasPgBouncer)(
    'each connection has the settings that it needs, also one that PgBouncer has given out before',
    async () => {
      await using database = await createTestDatabase()
      await database.query(`ALTER DATABASE ${database.name} SET synchronous_commit = 'off'`)
      await using pgbouncer = await startPgBouncer(database.url, ['default_pool_size = 2'])
      const settings = { connectTimeoutMs: 4_000, statementTimeoutMs: 3_000, log: pino({ level: 'silent' }) }
      const names = [
        'statement_timeout',
        'lock_timeout',
        'idle_in_transaction_session_timeout',
        'synchronous_commit',
        'TimeZone',
      ]
      const text = `SELECT ${names.map((name) => `current_setting('${name}') AS "${name}"`).join(', ')}, pg_backend_pid() AS backend`
      const backends: unknown[] = []
      for (let turn = 0; turn < 3; turn += 1) {
        const pooled = openDatabase({ url: pgbouncer.url, poolSize: 2, ...settings })
        try {
          const rows = await Promise.all([1, 2].map(() => pooled.query({ text, values: [] })))
          for (const [row = {}] of rows) {
            const { backend, ...found } = row as Record<string, unknown>
            backends.push(backend)
            expect(found).toEqual({
              statement_timeout: '3s',
              lock_timeout: '1s',
              idle_in_transaction_session_timeout: '10s',
              synchronous_commit: 'on',
              TimeZone: 'UTC',
            })
          }
        } finally {
          await pooled.close()
        }
        // What a client sets ends with it.
        await withClient(pgbouncer.url, async (client) => {
          const { rows } = await client.query<{ statement_timeout: string }>('SHOW statement_timeout')
          expect(rows).toEqual([{ statement_timeout: '0' }])
        })
      }
      expect(new Set(backends).size).toBeLessThan(backends.length)
    },
  )

  it.runIf(hasPgBouncer)('it goes on after PgBouncer was restarted', async () => {
    await using database = await createTestDatabase()
    await using pgbouncer = await startPgBouncer(database.url)
    const app = await startOn(pgbouncer.url)
    try {
      const client = clientOf(app.url)
      await mutate(client, 'registerUser', { userId: 'ada' })
      await pgbouncer.restart()
      const save = async () =>
        (await client.send('mutation { saveCheckpoint(input: { userId: "ada", itemId: "7" }) { __typename } }')).data
      await expect.poll(save, { timeout: 20_000 }).toEqual({ saveCheckpoint: { __typename: 'SaveCheckpointSuccess' } })
    } finally {
      await app.close()
    }
  })

  it.runIf(hasPgBouncer).each([
    [
      'transaction mode, quiet, so that each statement meets the same backend',
      ['pool_mode = transaction', 'default_pool_size = 1'],
    ],
    [
      'transaction mode with several backends',
      ['pool_mode = transaction', 'min_pool_size = 3', 'server_round_robin = 1'],
    ],
    [
      'transaction mode with a reset after each transaction',
      ['pool_mode = transaction', 'server_reset_query_always = 1', 'server_reset_query = DISCARD ALL'],
    ],
    ['statement mode', ['pool_mode = statement']],
  ])('is refused in one line: %s', async (_mode, settings) => {
    await using database = await createTestDatabase()
    await using pgbouncer = await startPgBouncer(database.url, settings)
    await expect(startOn(pgbouncer.url)).rejects.toThrow(REFUSAL)
  })

  it.runIf(hasPgBouncer).each(['serve', 'migrate'])('transaction mode ends `%s` with exit 2', async (command) => {
    await using database = await createTestDatabase()
    await using pgbouncer = await startPgBouncer(database.url, ['pool_mode = transaction'])
    const env = { DATABASE_URL: pgbouncer.url, PORT: '0' }
    const { code, stdout, stderr } = await runCommand([command], env, { cwd: '/' })
    expect({ code, stdout, lines: stderr.split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 })
    expect(stderr.trim()).toMatch(/^waymark: DATABASE_URL leads to a pooler/)
  })

  it.runIf(hasPgBouncer)(
    'transaction mode is refused as often as somebody tries, and leaves one lock behind at the most for each backend',
    async () => {
      await using database = await createTestDatabase()
      await using pgbouncer = await startPgBouncer(database.url, ['pool_mode = transaction'])
      await Promise.all(
        [1, 2].map(() => expect(startOn(pgbouncer.url)).rejects.toThrow(/^DATABASE_URL leads to a pooler/)),
      )
      await expect(startOn(pgbouncer.url)).rejects.toThrow(/^DATABASE_URL leads to a pooler/)
      const locks = await database.query<{ pid: number }>(
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      )
      expect(new Set(locks.map(({ pid }) => pid)).size).toBe(locks.length)
    },
  )

  it.runIf(hasPgBouncer)('DATABASE_DIRECT_URL takes what is no pool: migrations and LISTEN', async () => {
    await using database = await createTestDatabase('empty')
    await using pgbouncer = await startPgBouncer(database.url)
    const role = `${database.name}_direct`
    await database.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'x'`)
    try {
      const direct = Object.assign(new URL(database.url), { username: role, password: 'x' })
      const app = await startOn(pgbouncer.url, { DATABASE_DIRECT_URL: direct.toString() })
      try {
        await mutate(clientOf(app.url), 'registerUser', { userId: 'ada' })
        expect(await database.query(`SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'crawler'`)).toEqual([
          { tableowner: role },
        ])
        const users = `SELECT DISTINCT usename, query LIKE 'LISTEN %' AS listens FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY listens`
        await expect
          .poll(() => database.query(users))
          .toEqual([
            { usename: 'postgres', listens: false },
            { usename: role, listens: true },
          ])
      } finally {
        await app.close()
      }
    } finally {
      await database.query(`REASSIGN OWNED BY ${role} TO CURRENT_USER; DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })

  it.runIf(hasPgBouncer)('DATABASE_DIRECT_URL of another database is refused in one line', async () => {
    await using database = await createTestDatabase()
    await using other = await createTestDatabase()
    await expect(startOn(database.url, { DATABASE_DIRECT_URL: other.url })).rejects.toThrow(
      /^DATABASE_DIRECT_URL leads to another database than DATABASE_URL: it must be the same one, without the pooler\.$/,
    )
  })
})
