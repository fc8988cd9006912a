import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCopyArguments } from '../../../src/cli/copy.ts'
import { COPIED_TABLES, LEFT_TABLES } from '../../../src/database/copy/copied-tables.ts'
import { copyDatabase } from '../../../src/database/copy/copy.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { readFeed } from '../../support/feed-reader.ts'
import { runCommand, startServer } from '../../support/server-process.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const program = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const SAVE =
  'mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename ... on UserError { message } ... on SaveCheckpointSuccess { replayed } } }'
const LISTS = `{ checkpoints(first: 50) { totalCount nodes { userId stream lastItemId bookmarksCount version pageToken headItemIds
    anchorItemIds lastCrawledAt createdAt updatedAt lastCompletedAt epoch complete pause { until reason } } }
  sessions(first: 50) { totalCount nodes { sessionId userId status startedAt completedAt bookmarksProcessed epoch } }
  users(first: 50) { totalCount nodes { userId } } }`

/** The rows of every table, without the feeds. */
async function contents(database: TestDatabase): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for (const { name, key, own = [] } of COPIED_TABLES) {
    const rows = await database.query<{ row: Record<string, unknown> }>(
      `SELECT to_jsonb(t) - $1::text[] AS row FROM ${name} AS t ORDER BY ${key.join(', ')}`,
      [own],
    )
    found[name] = rows.map(({ row }) => row)
  }
  return found
}

const pageOf = (userId: string, sessionId: string, itemId: string) => ({
  ...{ userId, itemId, sessionId, headItemIds: [itemId], pageToken: `after "${itemId}" \\N é` },
  ...{ bookmarksAdded: 20, idempotencyKey: `${userId} ${itemId}` },
})

/** Lists with state, history, keys, sessions, pauses and settings; and a cursor of its feed. */
async function fill(database: TestDatabase): Promise<string> {
  const app = await startOn(database.url)
  try {
    const client = clientOf(app.url)
    for (const userId of ['ada', 'bob', '"quote" \\N é🔖']) {
      await mutate(client, 'registerUser', { userId })
      const started = await mutate(client, 'startSession', { userId })
      const { sessionId } = started['session'] as { sessionId: string }
      for (const itemId of ['30', '20', '10']) {
        const saved = await mutate(client, 'saveCheckpoint', pageOf(userId, sessionId, itemId))
        expect(saved.__typename).toBe('SaveCheckpointSuccess')
      }
      if (userId !== 'bob') await mutate(client, 'completeSession', { sessionId })
    }
    await client.ask(`mutation { pauseCrawl(input: { userId: "ada", until: "2099-01-01T00:00:00Z", reason: "wait" }) { __typename }
      configureStream(input: { name: "reddit/saved", ordering: ASCENDING }) { __typename } }`)
    await database.query(`INSERT INTO crawler.used_session_id VALUES (gen_random_uuid());
      UPDATE crawler.crawl_session SET error_message = E'tab\\t\\\\N\\nline'`)
    const { checkpoints } = await client.ask('{ checkpoints(first: 1) { feedCursor } }')
    return checkpoints.feedCursor as string
  } finally {
    await app.close()
  }
}

/** Lists in masses, quicker than through the API. */
const MANY = `INSERT INTO public."user" SELECT 'many-' || n FROM generate_series(1, 3000) n;
  INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) SELECT 'many-' || n, 'reddit/saved', 't3_' || n FROM generate_series(1, 3000) n`

describe('waymark copy', { timeout: 120_000 }, () => {
  let source: TestDatabase
  let cursor: string
  beforeAll(async () => {
    source = await createTestDatabase()
    cursor = await fill(source)
    await source.query(MANY)
  }, 120_000)
  afterAll(() => source[Symbol.asyncDispose]())

  const copyTo = (target: TestDatabase, rowsPerPiece?: number) => {
    const lines: string[] = []
    const print = (line: string) => void lines.push(line)
    const options = { sourceUrl: source.url, targetUrl: target.url, print }
    return copyDatabase(rowsPerPiece === undefined ? options : { ...options, rowsPerPiece }).then((rows) => ({
      rows,
      lines,
    }))
  }
  const command = (target: TestDatabase, from = source) =>
    runCommand(['copy', '--to', target.url], { DATABASE_URL: from.url }, { cwd: '/' })

  it('takes along every table of schema crawler, or is told why not', async () => {
    const tables = await source.query<{ name: string }>(
      `SELECT 'crawler.' || relname AS name FROM pg_class WHERE relnamespace = 'crawler'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
    )
    const known = [...COPIED_TABLES.map(({ name }) => name), ...LEFT_TABLES]
    // Name it in COPIED_TABLES or in LEFT_TABLES.
    expect(tables.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([])
  })

  it('migrates the target and makes it equal, with progress, and a server goes on there with every key and lease', async () => {
    await using target = await createTestDatabase('empty')
    const { code, stdout, stderr } = await command(target)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^public\."user": 3003 of 3003 rows\n/)
    expect(stdout).toMatch(/^crawler\.checkpoint_revision: (\d+) of \1 rows\n/m)
    expect(stdout).toMatch(/^copied: \d+ rows, and counts and checksums are equal\. Point DATABASE_URL/m)
    expect(await contents(target)).toEqual(await contents(source))
    expect((await verifySchema({ databaseUrl: target.url })).differences).toEqual([])

    const answers = async (url: string) => {
      const app = await startOn(url)
      try {
        return await clientOf(app.url).ask(LISTS)
      } finally {
        await app.close()
      }
    }
    expect(await answers(target.url)).toEqual(await answers(source.url))

    const app = await startOn(target.url)
    try {
      const client = clientOf(app.url)
      const [session] = await target.query<{ session_id: string }>(
        `SELECT session_id FROM crawler.crawl_session WHERE user_id = 'bob'`,
      )
      const sessionId = session?.session_id ?? ''
      const again = await client.send(SAVE, { input: pageOf('bob', sessionId, '10') })
      expect(again).toMatchObject({ data: { saveCheckpoint: { replayed: true } } })
      // New lists and keys get numbers of their own.
      const next = await client.send(SAVE, { input: pageOf('bob', sessionId, '5') })
      expect(next).toMatchObject({ data: { saveCheckpoint: { __typename: 'SaveCheckpointSuccess', replayed: false } } })
    } finally {
      await app.close()
    }
  })

  it('lets no cursor of the source skip: plain or sealed, it is CURSOR_EXPIRED', async () => {
    await using bound = await createTestDatabase()
    await fill(bound)
    const keyArguments = ['key', 'create', 'app', '--scopes', 'read', '--user', 'ada']
    const { stdout } = await runCommand(keyArguments, { DATABASE_URL: bound.url }, { cwd: '/' })
    const headers = { authorization: `Bearer ${stdout.trim()}`, accept: 'text/event-stream' }
    const settings = { AUTHENTICATION: 'keys' }
    const cursorOf = async (url: string, given?: Record<string, string>) =>
      (await clientOf(url, given).ask('{ checkpoints(first: 1) { feedCursor } }'))['checkpoints'].feedCursor as string
    const before = await startOn(bound.url, settings)
    const sealed = await cursorOf(before.url, { authorization: headers.authorization })
    await before.close()

    await using target = await createTestDatabase()
    await copyDatabase({ sourceUrl: bound.url, targetUrl: target.url, print: () => undefined })
    const after = await startOn(target.url, settings)
    try {
      const query = 'subscription ($after: String) { checkpointChanged(after: $after) { kind } }'
      const body = JSON.stringify({ query, variables: { after: sealed } })
      const response = await fetch(after.url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body,
      })
      expect(await response.text()).toContain('"code":"CURSOR_EXPIRED"')
    } finally {
      await after.close()
    }
    const app = await startOn(target.url)
    try {
      expect((await readFeed(app.url, 'checkpointChanged', { after: cursor }, 1)).code).toBe('CURSOR_EXPIRED')
      const told = readFeed(app.url, 'checkpointChanged', { after: await cursorOf(app.url) }, 1)
      await target.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = '9' WHERE user_id = 'ada'`)
      expect((await told).told).toMatchObject([{ userId: 'ada', lastItemId: '9' }])
    } finally {
      await app.close()
    }
  })

  it('goes on after kill -9 where it was, and ends equal', async () => {
    await using big = await createTestDatabase()
    await big.query(
      `${MANY}; INSERT INTO crawler.used_session_id SELECT gen_random_uuid() FROM generate_series(1, 300000)`,
    )
    await using target = await createTestDatabase()
    const child = spawn(process.execPath, [program, 'copy', '--to', target.url], {
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', DATABASE_URL: big.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    // Nothing after this table can be copied, so the kill comes in time on the busiest machine.
    await withClient(target.url, async (holder) => {
      let said = ''
      child.stdout.setEncoding('utf8')
      for await (const text of child.stdout) {
        if (said === '') await holder.query('BEGIN; LOCK TABLE crawler.stream_setting')
        said += String(text)
        if (!/used_session_id: 50000 of 300000/.test(said)) continue
        child.kill('SIGKILL')
        break
      }
    })
    expect(await exited).toEqual([null, 'SIGKILL'])
    const progress = await target.query<{ done: string[] }>(
      `SELECT array_agg(table_name ORDER BY table_name) FILTER (WHERE is_done) AS done FROM waymark_copy.progress`,
    )
    expect(progress[0]?.done).toContain('public."user"')

    const { code, stdout, stderr } = await command(target, big)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^continuing the copy that was interrupted\n/)
    expect(stdout).not.toMatch(/"user": \d/)
    expect(stdout).not.toMatch(/beginning again/)
    expect(stdout).toMatch(/counts and checksums are equal/)
    const counts = `SELECT (SELECT count(*) FROM crawler.used_session_id) AS ids, (SELECT count(*) FROM crawler.crawl_state) AS states`
    expect(await target.query(counts)).toEqual(await big.query(counts))
    expect(stdout).not.toMatch(/used_session_id: 50000 /)
    expect(await target.query(`SELECT to_regnamespace('waymark_copy') AS left`)).toEqual([{ left: null }])
  })

  it('begins again where the source was written after an interruption', async () => {
    await using changing = await createTestDatabase()
    await changing.query(MANY)
    await using target = await createTestDatabase()
    const options = { sourceUrl: changing.url, targetUrl: target.url, rowsPerPiece: 1_000 }
    const interrupted = copyDatabase({
      ...options,
      print: (line) => {
        if (line.startsWith('crawler.crawl_checkpoint: 2000')) throw new Error('pulled the plug')
      },
    })
    await expect(interrupted).rejects.toThrow('pulled the plug')
    await changing.query(`UPDATE crawler.crawl_checkpoint SET last_tweet_id = 't3_x' WHERE user_id = 'many-1'`)
    const lines: string[] = []
    await copyDatabase({ ...options, print: (line) => void lines.push(line) })
    expect(lines).toContain('the source has changed since the copy began: beginning again')
    expect(await contents(target)).toEqual(await contents(changing))
  })

  it('copies in pieces of any size', async () => {
    await using small = await createTestDatabase()
    await fill(small)
    for (const rowsPerPiece of [1, 3]) {
      await using target = await createTestDatabase()
      await copyDatabase({ sourceUrl: small.url, targetUrl: target.url, rowsPerPiece, print: () => undefined })
      expect(await contents(target)).toEqual(await contents(small))
    }
  })

  it.each([
    ['has users', `INSERT INTO public."user" VALUES ('eve')`, /^The target is not empty: public\."user" has rows\./],
    [
      'has a setting',
      `INSERT INTO crawler.stream_setting VALUES ('reddit/saved', 'none')`,
      /^The target is not empty: crawler\.stream_setting/,
    ],
    [
      'holds part of a copy of another database',
      `CREATE SCHEMA waymark_copy; CREATE TABLE waymark_copy.source AS SELECT 'other' AS generation`,
      /^The target holds part of a copy of another database: .*start over\.$/,
    ],
  ])('is refused in one line where the target %s', async (_what, before, says) => {
    await using target = await createTestDatabase()
    await target.query(before)
    await expect(copyTo(target)).rejects.toThrow(says)
  })

  it('is refused in one line a second time, and to itself', async () => {
    await using target = await createTestDatabase()
    await copyTo(target)
    await expect(copyTo(target)).rejects.toThrow(/^The target is not empty: /)
    await expect(copyTo(source)).rejects.toThrow(/^The target is the source itself, /)
  })

  it('is refused in one line while a server uses the source, and while somebody writes it', async () => {
    await using busy = await createTestDatabase()
    await using target = await createTestDatabase()
    const copy = () => copyDatabase({ sourceUrl: busy.url, targetUrl: target.url, print: () => undefined })
    const app = await startOn(busy.url)
    try {
      await expect(copy()).rejects.toThrow(/^A Waymark server still uses the database to copy: stop it first/)
    } finally {
      await app.close()
    }
    await withClient(busy.url, async (writer) => {
      await writer.query(`BEGIN; INSERT INTO crawler.stream_setting VALUES ('reddit/saved', 'none')`)
      await expect(copy()).rejects.toThrow(
        /^The copy was interrupted: canceling statement due to lock timeout\. Somebody writes/,
      )
      await writer.query('COMMIT')
    })
    await copy()
    expect(await contents(target)).toEqual(await contents(busy))
  })

  it('goes to a database whose users another program has made, and says what lacks where it makes others', async () => {
    await using target = await createTestDatabase('empty')
    await target.query(`CREATE TABLE public."user" (id TEXT PRIMARY KEY, email TEXT NOT NULL)`)
    await expect(copyTo(target)).rejects.toThrow(
      /public\."user" of the target needs more than an id: let the program that makes/,
    )
    const users = await source.query<{ id: string }>('SELECT id FROM public."user"')
    await target.query(`INSERT INTO public."user" SELECT id, id FROM unnest($1::text[]) AS id`, [
      [...users.map(({ id }) => id), 'zoe'],
    ])
    await copyTo(target)
    expect(await target.query('SELECT count(*)::int AS count FROM crawler.crawl_checkpoint')).toEqual([{ count: 3003 }])
    expect(await target.query(`SELECT email FROM public."user" WHERE id = 'ada'`)).toEqual([{ email: 'ada' }])
  })

  it('with wrong arguments is refused in one line', async () => {
    for (const args of [[], ['--to'], ['--to', ''], ['--from', 'x'], ['x'], ['--to', 'mysql://x']]) {
      expect(() => readCopyArguments(args)).toThrow(/^(send copy --to <URL>|--to must start with)/)
    }
    const { code, stderr } = await runCommand(['copy'], { DATABASE_URL: source.url }, { cwd: '/' })
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'waymark: send copy --to <URL>: the postgresql:// URL of an empty database.\n',
    })
  })

  it('leads from the embedded database, stopped, to another PostgreSQL', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'waymark-copy-'))
    await chmod(folder, 0o755)
    const env = { DATA_DIR: join(folder, 'data') }
    try {
      await using target = await createTestDatabase('empty')
      await using server = await startServer(env, { cwd: folder })
      await mutate(clientOf(server.url), 'registerUser', { userId: 'ada' })
      await mutate(clientOf(server.url), 'saveCheckpoint', { userId: 'ada', itemId: '7' })
      const copy = () => runCommand(['copy', '--to', target.url], env, { cwd: folder })
      const refused = await copy()
      expect({ code: refused.code, stderr: refused.stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/^waymark: A Waymark server still uses the database to copy: .*\n$/) as string,
      })
      server.child.kill('SIGTERM')
      await server.exited
      expect(await copy()).toMatchObject({ code: 0, stderr: '' })
      expect(await target.query('SELECT user_id, last_tweet_id FROM crawler.crawl_checkpoint')).toEqual([
        { user_id: 'ada', last_tweet_id: '7' },
      ])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
