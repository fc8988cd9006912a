import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { openDatabase } from '../../../src/database/database.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { keepPartitions } from '../../../src/database/partitions.ts'
import { packagedMigrations, readMigrations } from '../../../src/database/migrations/migration-files.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'

const packageRoot = join(packagedMigrations, '..', '..')
const guide = await readFile(join(packageRoot, 'docs/database.md'), 'utf8')
const names = (await readMigrations()).map(({ name }) => name)

/** A code block of docs/database.md, exactly as a reader copies it. */
function block(language: 'sql' | 'sh', name: string): string {
  const text = new RegExp(`^\`\`\`${language} ${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(guide)?.[1]
  if (!text) throw new Error(`docs/database.md has no block "${language} ${name}"`)
  return text
}

/** Roles belong to the whole server, so the guide's names get a suffix of the test's own. */
interface Roles extends AsyncDisposable {
  sql(name: string): string
  url(role: 'owner' | 'server'): string
}

function rolesOf(database: TestDatabase): Roles {
  const suffix = randomBytes(5).toString('hex')
  const role = (name: string) => `waymark_${name}_${suffix}`
  return {
    sql: (name) =>
      block('sql', name).replaceAll('waymark_owner', role('owner')).replaceAll('waymark_server', role('server')),
    url: (name) => {
      const url = new URL(database.url)
      url.username = role(name)
      url.password = name === 'owner' ? 'change-me' : 'change-me-too'
      return url.toString()
    },
    [Symbol.asyncDispose]: async () => {
      for (const name of ['server', 'owner']) {
        await database.query(`DO $$ BEGIN
          IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role(name)}') THEN
            DROP OWNED BY ${role(name)} CASCADE;
            DROP ROLE ${role(name)};
          END IF;
        END $$`)
      }
    },
  }
}

const usersOfAnotherProject = `
  CREATE TABLE public."user" (id TEXT PRIMARY KEY, email TEXT NOT NULL);
  INSERT INTO public."user" VALUES ('ada', 'ada@example.org'), ('bob', 'bob@example.org');`

/** As the guide has it: the owner migrates, then the server gets its rights. */
async function migrateFor(database: TestDatabase, roles: Roles): Promise<void> {
  await database.query(usersOfAnotherProject)
  await database.query(roles.sql('owner'))
  await migrate({ databaseUrl: roles.url('owner') })
  await database.query(roles.sql('server'))
}

describe('the roles of docs/database.md', () => {
  it('let the owner migrate with no right to create in public or in the database', async () => {
    await using database = await createTestDatabase('empty')
    await using roles = rolesOf(database)
    await database.query(usersOfAnotherProject)
    await database.query(roles.sql('owner'))
    expect(await migrate({ databaseUrl: roles.url('owner') })).toMatchObject({ applied: names, present: [] })
    expect((await verifySchema({ databaseUrl: roles.url('owner') })).differences).toEqual([])
    await expect(withClient(roles.url('owner'), (client) => client.query('CREATE SCHEMA other'))).rejects.toThrow(
      /permission denied/,
    )
    expect(await database.query('SELECT id, email FROM public."user" ORDER BY id')).toHaveLength(2)
  })

  it('let the owner adopt tables that were given to it', async () => {
    await using database = await createTestDatabase('empty')
    await using roles = rolesOf(database)
    await database.query(usersOfAnotherProject)
    await database.query(`CREATE SCHEMA crawler;
      CREATE TABLE crawler.twitter_crawl_checkpoint (user_id VARCHAR(255) PRIMARY KEY, last_tweet_id VARCHAR(255) NOT NULL);
      CREATE TABLE crawler.crawl_session (session_id VARCHAR(255) PRIMARY KEY, user_id VARCHAR(255) NOT NULL);
      INSERT INTO crawler.twitter_crawl_checkpoint VALUES ('ada', '20')`)
    await database.query(roles.sql('owner'))
    await expect(migrate({ databaseUrl: roles.url('owner') })).rejects.toThrow(
      /permission denied for schema crawler.* Run `migrate` as the owner of schema crawler/,
    )
    await database.query(roles.sql('adopted'))
    await migrate({ databaseUrl: roles.url('owner') })
    expect(await database.query('SELECT last_tweet_id FROM crawler.crawl_checkpoint')).toEqual([
      { last_tweet_id: '20' },
    ])
  })

  it('let the server start, verify, save and read, and touch nothing outside schema crawler', async () => {
    await using database = await createTestDatabase('empty')
    await using roles = rolesOf(database)
    await migrateFor(database, roles)
    const serverUrl = roles.url('server')

    expect(await migrate({ databaseUrl: serverUrl })).toEqual({ applied: [], present: names, functions: [] })
    expect((await verifySchema({ databaseUrl: serverUrl })).differences).toEqual([])
    await withClient(serverUrl, async (client) => {
      await client.query(
        `INSERT INTO crawler.crawl_session (session_id, user_id, stream) VALUES ('s1', 'ada', 'reddit/saved')`,
      )
      for (const stream of ['twitter/bookmarks', 'reddit/saved']) {
        await client.query(
          `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', $1, '1')
           ON CONFLICT (user_id, stream) DO UPDATE SET last_tweet_id = '2'`,
          [stream],
        )
      }
      await client.query(
        `INSERT INTO crawler.twitter_crawl_checkpoint (user_id, last_tweet_id) VALUES ('ada', '1') ON CONFLICT (user_id) DO UPDATE SET last_tweet_id = '3'`,
      )
      await client.query(`UPDATE crawler.crawl_session SET status = 'completed', completed_at = now()`)
      const { rows } = await client.query(
        `SELECT c.stream, c.last_tweet_id, s.status FROM public."user" AS u JOIN crawler.crawl_checkpoint AS c ON c.user_id = u.id
         LEFT JOIN crawler.crawl_session AS s ON (s.user_id, s.stream) = (c.user_id, c.stream) ORDER BY 1`,
      )
      expect(rows).toEqual([
        { stream: 'reddit/saved', last_tweet_id: '1', status: 'completed' },
        { stream: 'twitter/bookmarks', last_tweet_id: '3', status: null },
      ])
      await client.query(`DELETE FROM crawler.crawl_checkpoint WHERE stream = 'reddit/saved'`)

      for (const forbidden of [
        `INSERT INTO public."user" VALUES ('eve', 'eve@example.org')`,
        `UPDATE public."user" SET email = 'x'`,
        `DELETE FROM public."user"`,
        `TRUNCATE public."user"`,
        `DROP TABLE public."user"`,
        'CREATE TABLE public.mine ()',
        'CREATE TABLE crawler.mine ()',
        'CREATE SCHEMA mine',
        'DROP TABLE crawler.crawl_session',
        'ALTER TABLE crawler.crawl_session DISABLE TRIGGER ALL',
        `DELETE FROM crawler.schema_migration`,
      ]) {
        await expect(client.query(forbidden), forbidden).rejects.toThrow(/permission denied|must be owner/)
      }
    })
  })

  it('give the server what later migrations make', async () => {
    await using database = await createTestDatabase('empty')
    await using roles = rolesOf(database)
    await migrateFor(database, roles)
    await withClient(roles.url('owner'), (client) =>
      client.query(`CREATE TABLE crawler.later (id BIGSERIAL PRIMARY KEY);
        CREATE FUNCTION crawler.later() RETURNS integer LANGUAGE sql AS 'SELECT 1';
        REVOKE EXECUTE ON FUNCTION crawler.later() FROM PUBLIC`),
    )
    await withClient(roles.url('server'), async (client) => {
      await client.query('INSERT INTO crawler.later DEFAULT VALUES')
      await client.query('UPDATE crawler.later SET id = id + crawler.later()')
    })
  })

  it('let the server make, open, detach and drop the partitions of the tables that grow, and nothing more', async () => {
    await using database = await createTestDatabase('empty')
    await using roles = rolesOf(database)
    await migrateFor(database, roles)
    const log = pino({ level: 'silent' })
    const settings = { url: roles.url('server'), poolSize: 2, connectTimeoutMs: 5_000, statementTimeoutMs: 10_000, log }
    const server = openDatabase(settings)
    try {
      for (const name of ['feed_event', 'idempotency_key'] as const) {
        const keep = () => keepPartitions(server, { name, keepHours: 0, partitionHours: 0 })
        await keep()
        expect(await keep()).toBe(1)
      }
    } finally {
      await server.close()
    }
    // The owner can still change them.
    await withClient(roles.url('owner'), (client) =>
      client.query('ALTER TABLE crawler.feed_event ADD COLUMN later TEXT; DROP TABLE crawler.idempotency_key'),
    )
  })

  it('keep the server from migrating, with one line that says who may', async () => {
    await using database = await createTestDatabase('empty')
    await using roles = rolesOf(database)
    await migrateFor(database, roles)
    const last = names.at(-1) ?? ''
    await database.query('DELETE FROM crawler.schema_migration WHERE name = $1', [last])
    await expect(migrate({ databaseUrl: roles.url('server') })).rejects.toThrow(
      new RegExp(`^Migration ${last} failed and changed nothing.*: .* Run \`migrate\` as the owner of schema crawler`),
    )
    await database.query(`REVOKE USAGE ON SCHEMA crawler FROM ${new URL(roles.url('server')).username}`)
    await expect(migrate({ databaseUrl: roles.url('server') })).rejects.toThrow(
      /^Cannot read crawler\.schema_migration: permission denied for schema crawler\. .*docs\/database\.md\.$/,
    )
  })
})
