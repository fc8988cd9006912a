import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, inject, it, vi } from 'vitest'
import { overloaded } from '../../../src/concurrency/gate.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { createTestDatabase, type TestDatabase, urlOfDatabase, withClient } from '../../support/database.ts'
import { hasPgBouncer, NO_PGBOUNCER, startPgBouncer } from '../../support/pgbouncer.ts'
import { runCommand, startServer } from '../../support/server-process.ts'
import { clientOf, mutate, startOn, startWaymark } from '../../support/waymark.ts'
import { codeBlocks, patternOf, readDocument, sectionOf } from './markdown.ts'

// Each starts a server, and some a PostgreSQL: 15 s on a quiet machine.
vi.setConfig({ testTimeout: 120_000 })

const guide = await readDocument('docs/troubleshooting.md')
// The one of the image is provoked in dockerfile.test.ts, that of a standby in
// standby.test.ts, and that of a lost connection in startup-problems.test.ts.
const elsewhere = ['not-installed', 'standby', 'lost']
const messages = codeBlocks(guide).filter(({ language, name }) => language === 'text' && !elsewhere.includes(name))

/** What a command that can't begin says. Away from the checkout, where a developer's .env may name a database. */
async function refusal(args: string[], env: Record<string, string>): Promise<string> {
  const { code, stderr } = await runCommand(args, env, { cwd: tmpdir() })
  expect(code).toBe(2)
  return stderr.trimEnd()
}

async function sqlError(database: TestDatabase, sql: string): Promise<string> {
  const said = await database.query(sql).then(
    () => 'nothing',
    (error: unknown) => (error as Error).message,
  )
  return said
}

/** A role that may log in and nothing else. */
async function withPowerlessRole(database: TestDatabase, use: (url: string) => Promise<string>): Promise<string> {
  const role = `waymark_docs_${randomBytes(5).toString('hex')}`
  const url = new URL(database.url)
  url.username = role
  url.password = 'secret'
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
  try {
    return await use(url.toString())
  } finally {
    await database.query(`DROP ROLE ${role}`)
  }
}

/** Saves a checkpoint whose row another transaction holds, and gives the fault. */
async function saveLockedRow(settings: Record<string, string>): Promise<string> {
  await using waymark = await startWaymark(settings)
  await mutate(waymark, 'registerUser', { userId: 'ada' })
  await mutate(waymark, 'saveCheckpoint', { userId: 'ada', itemId: '20' })
  return await withClient(waymark.database.url, async (holder) => {
    await holder.query('BEGIN')
    await holder.query('SELECT FROM crawler.crawl_checkpoint FOR UPDATE')
    const { code, message } = await waymark.fail(
      'mutation { saveCheckpoint(input: { userId: "ada", itemId: "21" }) { __typename } }',
    )
    expect(code).toBe('SERVICE_UNAVAILABLE')
    return message
  })
}

async function refusedRead(query: string): Promise<string> {
  await using waymark = await startWaymark()
  const { code, message } = await waymark.fail(query)
  expect(code).toBe('BAD_USER_INPUT')
  return message
}

async function withFolder(mode: number, use: (folder: string) => Promise<string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-docs-'))
  await chmod(folder, mode)
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function migrateRefusal(kind: 'empty' | 'migrated', before: string): Promise<string> {
  await using database = await createTestDatabase(kind)
  await database.query(before)
  return await refusal(['migrate'], { DATABASE_URL: database.url })
}

async function queryRefusal(kind: 'empty' | 'migrated', sql: string): Promise<string> {
  await using database = await createTestDatabase(kind)
  return await sqlError(database, sql)
}

/** By the name of the block: how to get the message that it quotes. */
const scenarios: Record<string, () => Promise<string>> = {
  connect: () => refusal(['serve'], { DATABASE_URL: 'postgresql://ada@127.0.0.1:1/none' }),
  setting: () => refusal(['serve'], { PORT: 'http' }),
  'url-scheme': () => refusal(['serve'], { DATABASE_URL: 'mysql://localhost/x' }),
  'url-syntax': () => refusal(['serve'], { DATABASE_URL: 'postgresql://ada:a b@:x/y' }),
  host: () => refusal(['serve'], { HOST: '0.0.0.0' }),
  misspelt: async () => (await runCommand(['print-schema'], { DATABSE_URL: 'postgresql://db/x' })).stderr.trimEnd(),
  'read-only': async () => {
    await using waymark = await startWaymark()
    const { database } = waymark
    await database.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`)
    await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`)
    return (await waymark.fail('mutation { registerUser(input: { userId: "ada" }) { __typename } }')).message
  },
  async pooler() {
    await using database = await createTestDatabase()
    await using pgbouncer = await startPgBouncer(database.url, ['pool_mode = transaction'])
    return await refusal(['verify'], { DATABASE_URL: pgbouncer.url })
  },
  async 'other-database'() {
    await using database = await createTestDatabase('empty')
    const other = urlOfDatabase(database.url, 'postgres')
    return await refusal(['verify'], { DATABASE_URL: database.url, DATABASE_DIRECT_URL: other })
  },
  async port() {
    await using database = await createTestDatabase()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    try {
      return await refusal(['serve'], { DATABASE_URL: database.url, PORT: String(port) })
    } finally {
      taken.close()
    }
  },
  async unmigrated() {
    await using database = await createTestDatabase('empty')
    return await refusal(['serve'], { DATABASE_URL: database.url, MIGRATE_ON_START: '0' })
  },
  'no-schema': () => queryRefusal('empty', 'SELECT crawler.clock()'),
  'no-table': () => queryRefusal('empty', 'SELECT FROM crawler.crawl_session'),
  'foreign-key': () =>
    queryRefusal('migrated', `INSERT INTO crawler.crawl_session (session_id, user_id) VALUES ('s', 'nobody')`),
  async 'no-user'() {
    await using waymark = await startWaymark()
    return String((await mutate(waymark, 'startSession', { userId: 'nobody' }))['message'])
  },
  orphans: () =>
    migrateRefusal(
      'empty',
      `CREATE TABLE public."user" (id VARCHAR(255) PRIMARY KEY);
       CREATE SCHEMA crawler;
       CREATE TABLE crawler.twitter_crawl_checkpoint (user_id VARCHAR(255) PRIMARY KEY, last_tweet_id VARCHAR(255) NOT NULL);
       INSERT INTO crawler.twitter_crawl_checkpoint VALUES ('ghost', '20')`,
    ),
  async 'denied-read'() {
    await using database = await createTestDatabase()
    return await withPowerlessRole(database, (url) => refusal(['serve'], { DATABASE_URL: url }))
  },
  async 'denied-migrate'() {
    await using database = await createTestDatabase('empty')
    return await withPowerlessRole(database, (url) => refusal(['migrate'], { DATABASE_URL: url }))
  },
  async 'denied-serve'() {
    await using database = await createTestDatabase()
    return await withPowerlessRole(database, async (url) => {
      const role = new URL(url).username
      await database.query(
        `GRANT USAGE ON SCHEMA crawler TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA crawler TO ${role}`,
      )
      try {
        return await refusal(['serve'], { DATABASE_URL: url })
      } finally {
        await database.query(`DROP OWNED BY ${role}`)
      }
    })
  },
  async encoding() {
    const name = `waymark_latin1_${randomBytes(5).toString('hex')}`
    const serverUrl = inject('serverUrl')
    await withClient(serverUrl, (client) =>
      client.query(`CREATE DATABASE ${name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`),
    )
    try {
      return await refusal(['verify'], { DATABASE_URL: urlOfDatabase(serverUrl, name) })
    } finally {
      await withClient(serverUrl, (client) => client.query(`DROP DATABASE ${name}`))
    }
  },
  edited: () => migrateRefusal('migrated', `UPDATE crawler.schema_migration SET sha256 = '0' WHERE name LIKE '001%'`),
  newer: () =>
    migrateRefusal('migrated', `INSERT INTO crawler.schema_migration (name, sha256) VALUES ('999_new', '0')`),
  'newer-functions': () => migrateRefusal('migrated', 'UPDATE crawler.function_set SET number = 9999'),
  'before-013': () =>
    migrateRefusal(
      'empty',
      `CREATE SCHEMA crawler;
       CREATE TABLE crawler.schema_migration (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
       INSERT INTO crawler.schema_migration
         VALUES ('001_original_tables', '99e2b1286e86c9ae1d4c150971a0b48e7d17e86ae3286374c89f02be8db40340')`,
    ),
  async locked() {
    await using database = await createTestDatabase('empty')
    return await withClient(database.url, async (holder) => {
      await holder.query(`SELECT pg_advisory_lock(hashtextextended('waymark migrate', 0))`)
      return await migrate({ databaseUrl: database.url, turnTimeoutMs: 50 }).then(
        () => 'nothing',
        (error: unknown) => (error as Error).message,
      )
    })
  },
  'data-dir': () =>
    withFolder(0o755, async (folder) => {
      const env = { DATA_DIR: join(folder, 'data') }
      await using server = await startServer(env, { cwd: folder })
      const said = await refusal(['serve'], env)
      server.child.kill('SIGTERM')
      await server.exited
      return said
    }),
  'data-dir-link': () =>
    withFolder(0o755, async (folder) => {
      await symlink(join(folder, 'gone'), join(folder, 'data'))
      return await refusal(['serve'], { DATA_DIR: join(folder, 'data') })
    }),
  root: () => withFolder(0o700, (folder) => refusal(['serve'], { DATA_DIR: join(folder, 'data') })),
  async unreachable() {
    await using proxy = await startProxy()
    await using waymark = await startBehind(proxy)
    await proxy.cut()
    return (await waymark.fail('{ users { totalCount } }')).message
  },
  'row-locked': () => saveLockedRow({}),
  'too-slow': () => saveLockedRow({ DATABASE_STATEMENT_TIMEOUT_MS: '700' }),
  overloaded: () => Promise.resolve(overloaded().message),
  'no-id': () => refusedRead('{ node(id: "ada") { id } }'),
  'global-id': () => refusedRead(`{ user(userId: "${Buffer.from('User:ada').toString('base64')}") { id } }`),
  number: () =>
    refusedRead('mutation { saveCheckpoint(input: { userId: "ada", itemId: 1868123456789012480 }) { __typename } }'),
}

describe('docs/troubleshooting.md', () => {
  it('quotes what there is a way to provoke, and nothing else', () => {
    expect(messages.map(({ name }) => name).sort()).toEqual(Object.keys(scenarios).sort())
  })

  it.for(messages)('quotes $name as it is said', async ({ name, text }, context) => {
    if (name === 'pooler' && !hasPgBouncer) context.skip(NO_PGBOUNCER)
    // Only root's PostgreSQL runs as somebody else.
    if (name === 'root' && process.getuid?.() !== 0) return
    expect(await scenarios[name]?.()).toMatch(patternOf(text))
  })

  it('lists the reason where nothing listens, there is no such host, no such database, no SSL', async () => {
    const server = new URL(inject('serverUrl'))
    const withoutDatabase = urlOfDatabase(server.toString(), 'waymark_none')
    const withSsl = new URL(server)
    withSsl.searchParams.set('sslmode', 'verify-full')
    // - `<reason>` or `<reason>`: the cause, and what to do.
    const reasons = [...sectionOf(guide, 'Cannot connect').matchAll(/^- (`[^:]+?`):/gm)].map(
      ([, reason = '']) => reason,
    )
    const patterns = reasons.flatMap((text) => [...text.matchAll(/`([^`]+)`/g)].map(([, one = '']) => patternOf(one)))
    expect(patterns.length).toBeGreaterThan(10)
    for (const url of ['postgresql://127.0.0.1:1/x', 'postgresql://host.invalid/x', withoutDatabase, withSsl.href]) {
      const reason = /\): (.+)\. Check that/.exec(await refusal(['serve'], { DATABASE_URL: url }))?.[1]
      expect(
        patterns.some((pattern) => pattern.test(reason ?? '')),
        reason,
      ).toBe(true)
    }
  })
})

describe('SERVICE_UNAVAILABLE', () => {
  it('is the answer for a database that went away, until it is back', async () => {
    await using proxy = await startProxy()
    await using waymark = await startBehind(proxy)
    const read = '{ users { totalCount } }'
    const ready = async () => (await fetch(new URL('/ready', waymark.url))).status
    expect(await waymark.ask(read)).toEqual({ users: { totalCount: 0 } })
    await proxy.cut()
    expect(await waymark.fail(read)).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(await ready()).toBe(503)
    await proxy.open()
    await expect.poll(async () => (await waymark.send(read)).errors).toBeUndefined()
    // The check is shared for up to a second.
    await expect.poll(ready, { timeout: 5_000 }).toBe(200)
  })
})

interface Proxy extends AsyncDisposable {
  /** As a database's URL would name it. */
  readonly host: string
  open(): Promise<void>
  /** Ends every connection and refuses new ones, as a PostgreSQL that went down does. */
  cut(): Promise<void>
}

/** A TCP relay in front of the tests' PostgreSQL, so that it can go away for one server only. */
async function startProxy(): Promise<Proxy> {
  const target = new URL(inject('serverUrl'))
  const sockets = new Set<Socket>()
  const relay = createServer((client) => {
    const server = connect(Number(target.port), target.hostname)
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    client.pipe(server).pipe(client)
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const { port } = relay.address() as AddressInfo
  async function cut(): Promise<void> {
    if (!relay.listening) return
    const closed = once(relay, 'close')
    relay.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    host: `127.0.0.1:${port}`,
    async open() {
      relay.listen(port, '127.0.0.1')
      await once(relay, 'listening')
    },
    cut,
    [Symbol.asyncDispose]: cut,
  }
}

async function startBehind(proxy: Proxy) {
  const database = await createTestDatabase()
  const url = new URL(database.url)
  url.host = proxy.host
  const app = await startOn(url.toString())
  return {
    ...clientOf(app.url),
    async [Symbol.asyncDispose]() {
      await app.close()
      await database[Symbol.asyncDispose]()
    },
  }
}
