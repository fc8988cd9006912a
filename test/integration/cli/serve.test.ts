import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { createTestDatabase, statementsWaitingForLocks, withClient } from '../../support/database.ts'
import { runCommand, startServer } from '../../support/server-process.ts'
import { clientOf, mutate } from '../../support/waymark.ts'

// Processes start, migrate and stop: seconds each on a slow machine.
vi.setConfig({ testTimeout: 120_000 })

async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-serve-'))
  // The postgres user has to reach what is below it.
  await chmod(folder, 0o755)
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

describe('waymark serve', () => {
  it('says in one line where it serves, answers, and exits 0 on SIGTERM', async () => {
    await using database = await createTestDatabase()
    await using server = await startServer({ DATABASE_URL: database.url })
    expect(server.lines.filter((line) => line.includes(server.url))).toHaveLength(1)
    expect(await clientOf(server.url).ask('{ users { totalCount } }')).toEqual({ users: { totalCount: 0 } })
    server.child.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
    expect(
      await database.query(
        `SELECT FROM pg_stat_activity WHERE application_name LIKE 'waymark%' AND datname = current_database()`,
      ),
    ).toEqual([])
  })

  it('finishes what is in flight and ends subscriptions on SIGTERM', async () => {
    await using database = await createTestDatabase()
    await using server = await startServer({ DATABASE_URL: database.url })
    const client = clientOf(server.url)
    await mutate(client, 'registerUser', { userId: 'alice' })
    await mutate(client, 'saveCheckpoint', { userId: 'alice', itemId: '20', bookmarksCount: 1 })
    const stream = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { sessionStatusChanged { cursor } }' }),
    })
    // A save that waits for a row until this test lets it go is in flight for as long as it takes.
    await withClient(database.url, async (holder) => {
      await holder.query('BEGIN')
      await holder.query('SELECT FROM crawler.crawl_checkpoint FOR UPDATE')
      const save = mutate(client, 'saveCheckpoint', { userId: 'alice', itemId: '21', bookmarksCount: 2 })
      await statementsWaitingForLocks(holder, 1)
      server.child.kill('SIGTERM')
      // The stream ends while the save still waits.
      expect(await stream.text()).toContain('event: complete')
      await expect(fetch(server.url)).rejects.toThrow()
      await holder.query('COMMIT')
      expect((await save)['checkpoint']).toMatchObject({ lastItemId: '21', bookmarksCount: 2 })
    })
    expect(await server.exited).toEqual({ code: 0, signal: null })
  })

  it('writes one JSON line per request, without variables or what they hold', async () => {
    await using database = await createTestDatabase()
    await using server = await startServer({ DATABASE_URL: database.url })
    const canary = 'canary-5d1f'
    await clientOf(server.url).send(
      'mutation Canary($input: RegisterUserInput!) { registerUser(input: $input) { __typename } }',
      {
        input: { userId: canary },
      },
    )
    await clientOf(server.url).send(`{ user(userId: "${canary}") { nope } }`)
    const requests = () =>
      server.lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'request')
    await expect.poll(() => requests().length).toBe(2)
    expect(requests()[0]).toMatchObject({
      operationName: 'Canary',
      operationType: 'mutation',
      outcome: 'ok',
      durationMs: expect.any(Number),
      requestId: expect.any(String),
    })
    expect(requests()[1]).toMatchObject({ outcome: 'BAD_USER_INPUT' })
    expect(server.lines.join('\n')).not.toContain(canary)
    expect(server.lines.join('\n')).not.toContain(new URL(database.url).password || 'no password to leak')
  })

  it('takes DATABASE_URL from a .env file, and the environment before it', async () => {
    await using database = await createTestDatabase()
    await using place = await temporaryFolder()
    const asyncpg = database.url.replace(/^postgres(ql)?:/, 'postgresql+asyncpg:')
    await writeFile(join(place.folder, '.env'), `DATABASE_URL=${asyncpg}\nLOG_LEVEL=loud\n`)
    await using server = await startServer({ LOG_LEVEL: 'info' }, { cwd: place.folder })
    expect(await clientOf(server.url).ask('{ users { totalCount } }')).toEqual({ users: { totalCount: 0 } })
  })

  it.each(['postgresql:', 'postgres:', 'postgresql+asyncpg:'])('accepts a DATABASE_URL of %s', async (scheme) => {
    await using database = await createTestDatabase()
    const verified = await runCommand(['verify'], { DATABASE_URL: database.url.replace(/^postgres(ql)?:/, scheme) })
    expect(verified).toMatchObject({ code: 0, stdout: 'the schema is as it should be\n', stderr: '' })
  })

  it.each([
    ['a setting that is none of its values', { LOG_LEVEL: 'loud' }, /LOG_LEVEL/],
    ['a port that is no number', { PORT: 'http' }, /PORT: must be a whole number/],
    ['a port out of range', { PORT: '65536' }, /PORT/],
    [
      'a database of another kind',
      { DATABASE_URL: 'mysql://localhost/x' },
      /DATABASE_URL must start with postgresql:\/\//,
    ],
    ['a database URL that is none', { DATABASE_URL: 'postgresql://a b:c@:x/' }, /DATABASE_URL is no valid URL/],
    ['an address that others reach, without authentication', { HOST: '0.0.0.0' }, /AUTHENTICATION=keys/],
    ['a database that is not there', { DATABASE_URL: 'postgresql://127.0.0.1:9/none' }, /127\.0\.0\.1:9/],
  ])('exits 2 with one line for %s', async (_what, env, message) => {
    const { code, stdout, stderr } = await runCommand(['serve'], env)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  it('exits 2 with one line for a .env that cannot be read', async () => {
    await using place = await temporaryFolder()
    await mkdir(join(place.folder, '.env'))
    const { code, stderr } = await runCommand(['serve'], {}, { cwd: place.folder })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^waymark: \.env cannot be read [^\n]*\n$/)
  })

  it('exits 2 with one line where the port is taken', async () => {
    await using database = await createTestDatabase()
    const taken = createServer()
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port))
    })
    try {
      const { code, stderr } = await runCommand(['serve'], { DATABASE_URL: database.url, PORT: String(port) })
      expect(code).toBe(2)
      expect(stderr).toMatch(new RegExp(`^waymark: PORT=${port} is in use[^\n]*\n$`))
    } finally {
      taken.close()
    }
  })

  it('exits 2 with one line for a second server on the same DATA_DIR; commands use the first one’s database', async () => {
    await using place = await temporaryFolder()
    const env = { DATA_DIR: join(place.folder, 'data') }
    await using server = await startServer(env)
    const second = await runCommand(['serve'], env)
    expect(second.code).toBe(2)
    expect(second.stderr).toMatch(/^waymark: DATA_DIR \S+ is in use by another Waymark \(process \d+\)[^\n]*\n$/)
    expect(await runCommand(['seed'], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^seeded: /),
      stderr: '',
    })
    const { users } = await clientOf(server.url).ask('{ users { totalCount } }')
    expect(users.totalCount).toBe(4)
    server.child.kill('SIGTERM')
    expect(await server.exited).toEqual({ code: 0, signal: null })
    // Without a server the same command starts the database for as long as it needs it.
    expect(await runCommand(['verify'], env)).toMatchObject({ code: 0 })
  })
})

describe('a variable that looks like a misspelt setting', () => {
  it('is named on stderr with the setting, also from .env and beside a bad setting, and never its value', async () => {
    await using place = await temporaryFolder()
    await writeFile(join(place.folder, '.env'), 'database_url=postgresql://ada:canary-77@localhost/x\n')
    const env = { DATABSE_URL: 'postgresql://ada:canary-77@localhost/x', LOG_LEVEL: 'loud' }
    const { code, stdout, stderr } = await runCommand(['serve'], env, { cwd: place.folder })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr.trimEnd().split('\n').sort()).toEqual([
      'waymark: DATABSE_URL is no setting of Waymark and has no effect: did you mean DATABASE_URL?',
      expect.stringMatching(/^waymark: bad setting: LOG_LEVEL/),
      'waymark: database_url is no setting of Waymark and has no effect: did you mean DATABASE_URL?',
    ])
    expect(stderr).not.toContain('canary')
  })
})

describe('waymark', () => {
  it('shows its usage for help, and exits 2 with it for what it does not know', async () => {
    expect(await runCommand(['help'], {})).toMatchObject({ code: 0, stdout: expect.stringContaining('usage: waymark') })
    for (const args of [['nothing'], ['serve', '--port=1']]) {
      expect(await runCommand(args, {})).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('usage: waymark'),
      })
    }
  })

  it('migrates, and names what it applied', async () => {
    await using database = await createTestDatabase('empty')
    const first = await runCommand(['migrate'], { DATABASE_URL: database.url })
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/^applied 001_original_tables\napplied 002_streams\n/)
    expect(await runCommand(['migrate'], { DATABASE_URL: database.url })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^nothing to apply/),
    })
  })

  it('verifies, and exits 1 naming what is missing', async () => {
    await using database = await createTestDatabase()
    await database.query('DROP INDEX crawler.crawl_session_started')
    const verified = await runCommand(['verify'], { DATABASE_URL: database.url })
    expect(verified.code).toBe(1)
    expect(verified.stdout).toContain('crawl_session_started')
  })

  it('seeds, twice with the same result', async () => {
    await using database = await createTestDatabase('empty')
    const counts = () =>
      database.query(
        'SELECT (SELECT count(*)::int FROM crawler.crawl_session) AS sessions, (SELECT count(*)::int FROM crawler.crawl_checkpoint) AS checkpoints',
      )
    for (let round = 0; round < 2; round += 1) {
      expect(await runCommand(['seed'], { DATABASE_URL: database.url })).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^seeded/),
      })
      expect(await counts()).toEqual([{ sessions: 9, checkpoints: 6 }])
    }
  })
})
