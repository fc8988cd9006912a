import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resetFeed } from '../../../src/events/reset.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createDatabase, urlOfDatabase, withClient } from '../../support/database.ts'
import { type OtherPostgres, startOtherPostgres } from '../../support/other-postgres.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'
import { blocksNamed, readDocument } from '../docs/markdown.ts'

/** Debian's PostgreSQL, with tools of its own version: the embedded one has none. */
const binaries = ['17', '16', '15']
  .map((major) => `/usr/lib/postgresql/${major}/bin`)
  .find((folder) => existsSync(join(folder, 'pg_dump')) && existsSync(join(folder, 'postgres')))
const guide = await readDocument('docs/database.md')

const contents = (url: string) =>
  withClient(url, async (client) => {
    const { rows } = await client.query(`
      SELECT to_jsonb(c) AS row FROM crawler.crawl_checkpoint AS c
      UNION ALL SELECT to_jsonb(s) FROM crawler.crawl_session AS s
      UNION ALL SELECT to_jsonb(r) FROM crawler.checkpoint_revision AS r
      UNION ALL SELECT to_jsonb(l) FROM crawler.item_list AS l
      UNION ALL SELECT to_jsonb(k) FROM crawler.idempotency_key AS k
      UNION ALL SELECT to_jsonb(u) FROM public."user" AS u ORDER BY 1`)
    return rows as unknown[]
  })

describe('backup and restore, as docs/database.md has it', { timeout: 120_000 }, () => {
  let postgres: OtherPostgres | undefined
  let folder: string
  beforeAll(async () => {
    if (binaries === undefined) return
    postgres = await startOtherPostgres(binaries)
    folder = await mkdtemp(join(tmpdir(), 'waymark-backup-'))
  }, 120_000)
  afterAll(async () => {
    if (!postgres) return
    await postgres[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  async function shell(name: string, url: string): Promise<void> {
    const [text = ''] = blocksNamed(guide, 'sh', name)
    expect(text).not.toBe('')
    const env = { PATH: `${binaries ?? ''}:${process.env['PATH'] ?? ''}`, DATABASE_URL: url }
    await promisify(execFile)('sh', ['-ec', text], { cwd: folder, env })
  }

  async function create(name: string): Promise<string> {
    if (!postgres) throw new Error('there is no PostgreSQL')
    await createDatabase(postgres.url, name)
    return urlOfDatabase(postgres.url, name)
  }

  /** What the server writes for a crawl. */
  async function crawl(url: string, itemId: string): Promise<void> {
    const app = await startOn(url)
    try {
      const client = clientOf(app.url)
      if (itemId === '1') await mutate(client, 'registerUser', { userId: 'ada' })
      const input = { userId: 'ada', itemId, headItemIds: [itemId], idempotencyKey: itemId }
      expect((await mutate(client, 'saveCheckpoint', input)).__typename).toBe('SaveCheckpointSuccess')
    } finally {
      await app.close()
    }
  }

  it('of a database whose users Waymark made brings back the users too, and a server goes on with it', async (context) => {
    if (!postgres) context.skip('no pg_dump: apt-get install postgresql-15')
    const [url, restored] = [await create('whole'), await create('restored')]
    await crawl(url, '1')
    const before = await contents(url)
    expect(before.length).toBeGreaterThan(3)
    await shell('backup-whole', url)
    await shell('restore-whole', restored)
    expect(await contents(restored)).toEqual(before)
    expect((await verifySchema({ databaseUrl: restored })).differences).toEqual([])
    expect((await migrate({ databaseUrl: restored })).applied).toEqual([])
    await resetFeed({ databaseUrl: restored })
    await crawl(restored, '2')
  })

  it('of schema crawler alone brings back every row, and leaves the rest of the database alone', async (context) => {
    if (!postgres) context.skip('no pg_dump: apt-get install postgresql-15')
    const url = await create('beside')
    const query = (sql: string) => withClient(url, (client) => client.query(sql))
    await query(`CREATE TABLE public."user" (id TEXT PRIMARY KEY, email TEXT NOT NULL DEFAULT 'x')`)
    await crawl(url, '1')
    const before = await contents(url)
    await shell('backup', url)

    await crawl(url, '2')
    await query(`UPDATE public."user" SET email = 'ada@example.org'`)
    await shell('restore', url)
    const users = [{ row: { id: 'ada', email: 'ada@example.org' } }]
    const others = (rows: unknown[]) => rows.filter((row) => !JSON.stringify(row).includes('"email"'))
    expect(others(await contents(url))).toEqual(others(before))
    expect((await query(`SELECT to_jsonb(u) AS row FROM public."user" AS u`)).rows).toEqual(users)
    expect((await verifySchema({ databaseUrl: url })).differences).toEqual([])

    await query('DROP SCHEMA crawler CASCADE')
    await shell('restore', url)
    expect(others(await contents(url))).toEqual(others(before))
    await crawl(url, '3')
  })
})
