import { randomBytes } from 'node:crypto'
import { describe, expect, inject, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { problemOf } from '../../../src/database/migrations/usable-database.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { codeBlocks, patternOf, readDocument } from '../docs/markdown.ts'
import { runCommand } from '../../support/server-process.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { startOn } from '../../support/waymark.ts'

/** What a command says that cannot begin: one line, and exit code 2. */
async function lineOf(args: readonly string[], databaseUrl: string): Promise<string> {
  const { code, stderr } = await runCommand(
    args,
    { DATABASE_URL: databaseUrl, PORT: '0', LOG_LEVEL: 'silent' },
    { cwd: '/' },
  )
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^waymark: [^\n]+\n$/) as string })
  return stderr
}

/** The same of a server within this process. */
async function startProblem(databaseUrl: string): Promise<string> {
  return startOn(databaseUrl).then(
    async (app) => {
      await app.close()
      return 'it started'
    },
    (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : 'no error'),
  )
}

/** @param rights SQL; ROLE stands for the role's name */
async function withRole(database: TestDatabase, rights: string, use: (url: string, role: string) => Promise<void>) {
  const role = `waymark_role_${randomBytes(5).toString('hex')}`
  const url = new URL(database.url)
  url.username = role
  url.password = 'secret'
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; ${rights.replaceAll('ROLE', role)}`)
  try {
    await use(url.toString(), role)
  } finally {
    await database.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  }
}

const READ_ALL = `GRANT USAGE ON SCHEMA crawler TO ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA crawler TO ROLE;
  GRANT SELECT ON public."user" TO ROLE; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA crawler TO ROLE;
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA crawler TO ROLE`
const WRITE_ALL = `${READ_ALL}; GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crawler TO ROLE;
  REVOKE INSERT, UPDATE, DELETE ON crawler.schema_migration, crawler.schema_function, crawler.function_set,
    crawler.log_partition FROM ROLE`

describe('a server whose role lacks a right', () => {
  it.each([
    ['on every table', READ_ALL, /DELETE on crawler\.api_key, .* and \d+ more/],
    ['on one table', `${WRITE_ALL}; REVOKE UPDATE ON crawler.feed FROM ROLE`, /needs: UPDATE on crawler\.feed\. As/],
    [
      'on one sequence',
      `${WRITE_ALL}; REVOKE USAGE ON SEQUENCE crawler.feed_event_id FROM ROLE`,
      /sequence crawler\.feed_event_id/,
    ],
    [
      'on a function',
      `${WRITE_ALL}; REVOKE EXECUTE ON FUNCTION crawler.make_partition FROM ROLE`,
      /crawler\.make_partition/,
    ],
    ['on the users', `${WRITE_ALL}; REVOKE SELECT ON public."user" FROM ROLE`, /SELECT on public\."user"/],
  ])('is told which: %s', async (_what, rights, told) => {
    await using database = await createTestDatabase()
    await withRole(database, rights, async (url, role) => {
      const problem = await startProblem(url)
      expect(problem).toMatch(told)
      expect(problem).toMatch(
        new RegExp(`^StartupError: Role ${role} lacks rights .*run the GRANTs in docs/database\\.md`),
      )
    })
  })

  it('starts with the rights that docs/database.md gives', async () => {
    await using database = await createTestDatabase()
    await withRole(database, WRITE_ALL, async (url) => {
      expect(await startProblem(url)).toBe('it started')
    })
  })
})

// Each starts processes: some seconds on a busy machine.
describe('a command that cannot go on says so in one line, with exit code 2', { timeout: 90_000 }, () => {
  it('where its role lacks rights', async () => {
    await using database = await createTestDatabase()
    await withRole(database, READ_ALL, async (url) => {
      expect(await lineOf(['serve'], url)).toMatch(/lacks rights/)
      expect(await lineOf(['key', 'create', 'x', '--scopes', 'read'], url)).toMatch(/permission denied for .*GRANTs/)
    })
  })

  it('where somebody dropped a function or a table that it needs', async () => {
    await using database = await createTestDatabase()
    await database.query('DROP TABLE crawler.cursor_seal')
    expect(await lineOf(['serve'], database.url)).toMatch(/"crawler\.cursor_seal" does not exist\. Run `verify`/)
    await database.query('DROP FUNCTION crawler.clock() CASCADE')
    expect(await lineOf(['serve'], database.url)).toMatch(/function .* does not exist\. Run `verify`/)
  })

  it('where its session is ended while it migrates, and goes on when it is run again', async () => {
    await using database = await createTestDatabase('empty')
    await database.query(`CREATE FUNCTION public.end_it() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(0.1); END $$;
      CREATE EVENT TRIGGER end_it ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.end_it()`)
    expect(await lineOf(['migrate'], database.url)).toMatch(/terminating connection.*run this again/)
    await database.query('DROP EVENT TRIGGER end_it')
    expect((await migrate({ databaseUrl: database.url })).applied.length).toBeGreaterThan(5)
  })

  it('where its connection is cut while it migrates', async () => {
    await using database = await createTestDatabase('empty')
    await database.query(`CREATE FUNCTION public.wait() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_sleep(60); END $$;
      CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.wait()`)
    const url = new URL(database.url)
    await using proxy = await startTcpProxy(Number(url.port))
    url.port = String(proxy.port)
    const line = lineOf(['migrate'], url.toString())
    const sleeping = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
    await expect.poll(() => database.query(sleeping), { timeout: 30_000 }).toHaveLength(1)
    proxy.cut()
    const { text = '' } =
      codeBlocks(await readDocument('docs/troubleshooting.md')).find(({ name }) => name === 'lost') ?? {}
    expect((await line).trimEnd()).toMatch(patternOf(text))
  })
})

describe('a database of an encoding or version that Waymark does not know', () => {
  it.each([
    ['LATIN1', 'C'],
    ['WIN1252', 'C'],
    ['SQL_ASCII', 'C'],
  ])('is refused in one line: %s', async (encoding, locale) => {
    const name = `waymark_${encoding.toLowerCase()}_${randomBytes(5).toString('hex')}`
    const serverUrl = inject('serverUrl')
    await withClient(serverUrl, (client) =>
      client.query(`CREATE DATABASE ${name} ENCODING '${encoding}' LOCALE '${locale}' TEMPLATE template0`),
    )
    const url = new URL(serverUrl)
    url.pathname = `/${name}`
    try {
      const problem = await startProblem(url.toString())
      expect(problem).toBe(
        `StartupError: Database ${name} has the encoding ${encoding}, which cannot hold every text, and Waymark needs UTF8: ` +
          `make one by CREATE DATABASE <name> ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and move the data by pg_dump (docs/troubleshooting.md).`,
      )
    } finally {
      await withClient(serverUrl, (client) => client.query(`DROP DATABASE ${name}`))
    }
  })

  // A server of that version is tried in database/versions.test.ts, where POSTGRES_BINARIES names one.
  it.each([
    [140_012, '14.12', /^Database app is on PostgreSQL 14\.12, and Waymark needs 15 or newer: upgrade it/],
    [90_624, '9.6.24', /PostgreSQL 9\.6\.24/],
    [150_000, '15.0', undefined],
    [180_004, '18.4', undefined],
  ])('is judged by its version number: %s', (versionNumber, version, told) => {
    const problem = problemOf({ versionNumber, version, encoding: 'UTF8', name: 'app' })
    if (told) expect(problem).toMatch(told)
    else expect(problem).toBeUndefined()
  })
})
