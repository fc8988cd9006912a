import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { runCommand, type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'

const guide = await readFile(new URL('../../docs/database.md', import.meta.url), 'utf8')

/** A code block of docs/database.md, with role names of this test's own: roles belong to the whole PostgreSQL server. */
function block(name: string, suffix: string): string {
  const text = new RegExp(`^\`\`\`sql ${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(guide)?.[1]
  if (text === undefined) throw new Error(`docs/database.md has no block "sql ${name}"`)
  return text
    .replaceAll('waymark_owner', `waymark_owner_${suffix}`)
    .replaceAll('waymark_server', `waymark_server_${suffix}`)
}

describe('a server whose role has schema crawler only, as docs/database.md grants it,', () => {
  const suffix = randomBytes(5).toString('hex')
  const urlOf = (role: string, password: string) => {
    const url = new URL(database.url)
    url.username = `waymark_${role}_${suffix}`
    url.password = password
    return url.toString()
  }
  let database: TestDatabase
  let server: ServerProcess
  let client: ReturnType<typeof clientOf>

  beforeAll(async () => {
    database = await createTestDatabase('empty')
    await database.query(`CREATE TABLE public."user" (id TEXT PRIMARY KEY, email TEXT NOT NULL);
      INSERT INTO public."user" VALUES ('ada', 'ada@example.org'), ('bob', 'bob@example.org')`)
    await database.query(block('owner', suffix))
    expect(await runCommand(['migrate'], { DATABASE_URL: urlOf('owner', 'change-me') })).toMatchObject({ code: 0 })
    await database.query(block('server', suffix))
    // Migrates on its start, as by default: there is nothing left that its role could not do.
    server = await startServer({ DATABASE_URL: urlOf('server', 'change-me-too') })
    client = clientOf(server.url)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    for (const role of [`waymark_server_${suffix}`, `waymark_owner_${suffix}`]) {
      await database.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`)
    }
    await database[Symbol.asyncDispose]()
  })

  it('connects as that role and no other', async () => {
    const rows = await database.query(
      `SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'waymark%' AND datname = current_database()`,
    )
    expect(rows).toEqual([{ usename: `waymark_server_${suffix}` }])
  })

  it.each(['twitter/bookmarks', 'reddit/saved'])(
    'does all that a crawl of %s and its watchers need',
    async (stream) => {
      const leave = new AbortController()
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({
          query: `subscription { sessionStatusChanged(filter: { stream: "${stream}" }) { kind status session { userId } } }`,
        }),
        signal: leave.signal,
      })
      let feed = ''
      const reading = (async () => {
        for await (const chunk of response.body ?? []) feed += Buffer.from(chunk).toString()
      })().catch(() => undefined)

      const itemId = stream === 'twitter/bookmarks' ? '20' : 't3_1abc'
      const started = await mutate(client, 'startSession', { userId: 'ada', stream })
      expect(started.__typename).toBe('StartSessionSuccess')
      const { sessionId } = started['session'] as { sessionId: string }
      for (const created of [true, false]) {
        const saved = await mutate(client, 'saveCheckpoint', {
          userId: 'ada',
          stream,
          itemId,
          bookmarksAdded: 2,
          sessionId,
        })
        expect(saved).toMatchObject({ __typename: 'SaveCheckpointSuccess', created })
      }
      expect(await mutate(client, 'heartbeat', { sessionId, bookmarksProcessed: 9 })).toMatchObject({
        session: { status: 'RUNNING', bookmarksProcessed: 9 },
      })
      expect(await mutate(client, 'failSession', { sessionId, errorMessage: 'no more' })).toMatchObject({
        session: { status: 'FAILED' },
      })
      await expect.poll(() => feed.match(/"kind":"[^}]*/g)?.length).toBe(2)
      expect(feed).toMatch(/"STARTED"[\s\S]*"STATUS_CHANGED"/)
      leave.abort()
      await reading

      expect(
        await client.ask(
          `query ($stream: String) {
          user(userId: "ada") { checkpoint(stream: $stream) { lastItemId bookmarksCount } checkpoints { stream } }
          users { totalCount nodes { userId } }
          checkpoints(filter: { stream: $stream }) { totalCount nodes { userId user { userId } } }
          sessions(filter: { stream: $stream }) { totalCount nodes { status checkpoint { lastItemId } } }
          sessionStats(filter: { stream: $stream }) { total failed bookmarksProcessed } }`,
          { stream },
        ),
      ).toMatchObject({
        user: { checkpoint: { lastItemId: itemId, bookmarksCount: 4 } },
        users: { totalCount: 2, nodes: [{ userId: 'ada' }, { userId: 'bob' }] },
        checkpoints: { totalCount: 1, nodes: [{ userId: 'ada', user: { userId: 'ada' } }] },
        sessions: { totalCount: 1, nodes: [{ status: 'FAILED', checkpoint: { lastItemId: itemId } }] },
        sessionStats: { total: 1, failed: 1, bookmarksProcessed: 9 },
      })
      expect(await mutate(client, 'clearCheckpoint', { userId: 'ada', stream })).toMatchObject({ cleared: true })
    },
  )

  it('answers for users that are not there, and makes none', async () => {
    for (const operation of ['startSession', 'saveCheckpoint'] as const) {
      const input = operation === 'saveCheckpoint' ? { userId: 'eve', itemId: '20' } : { userId: 'eve' }
      expect(await mutate(client, operation, input)).toMatchObject({ code: 'USER_NOT_FOUND' })
    }
    const refused = await mutate(client, 'registerUser', { userId: 'eve' })
    expect(refused).toMatchObject({ code: 'INVALID_INPUT' })
    expect(refused.issues?.[0]?.message).toMatch(/the owner of public\."user" makes the users/)
    expect(await mutate(client, 'registerUser', { userId: 'bob' })).toMatchObject({ user: { userId: 'bob' } })
    expect(await database.query('SELECT id, email FROM public."user" ORDER BY id')).toEqual([
      { id: 'ada', email: 'ada@example.org' },
      { id: 'bob', email: 'bob@example.org' },
    ])
  })

  it('is ready, verifies, and had nothing to complain of', async () => {
    expect((await fetch(new URL('/ready', server.url))).status).toBe(200)
    expect(await runCommand(['verify'], { DATABASE_URL: urlOf('server', 'change-me-too') })).toMatchObject({ code: 0 })
    expect(server.lines.filter((line) => /"level":[4-6]0/.test(line))).toEqual([])
  })
})
