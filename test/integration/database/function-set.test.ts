import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { runCommand } from '../../support/server-process.ts'

describe('the set of functions', () => {
  let database: TestDatabase
  let folder: string
  let migrations: string
  beforeEach(async () => {
    database = await createTestDatabase('empty')
    folder = await mkdtemp(join(tmpdir(), 'waymark-functions-'))
    migrations = await mkdtemp(join(tmpdir(), 'waymark-no-migrations-'))
  })
  afterEach(async () => {
    await database[Symbol.asyncDispose]()
    for (const path of [folder, migrations]) await rm(path, { recursive: true })
  })

  /** Applies exactly these. */
  async function apply(number: number, files: Readonly<Record<string, string>>): Promise<readonly string[]> {
    await rm(folder, { recursive: true })
    folder = await mkdtemp(join(tmpdir(), 'waymark-functions-'))
    await writeFile(join(folder, 'set.json'), JSON.stringify({ number }))
    for (const [name, sql] of Object.entries(files)) await writeFile(join(folder, `${name}.sql`), sql)
    const options = { databaseUrl: database.url, directory: migrations, functionsDirectory: folder }
    return (await migrate(options)).functions
  }
  const constant = (name: string, value: number, parameters = '') =>
    `CREATE OR REPLACE FUNCTION crawler.${name}(${parameters}) RETURNS integer LANGUAGE sql AS 'SELECT ${value}';`
  const call = async (sql: string) => {
    const [row] = await database.query<{ value: number }>(`SELECT ${sql} AS value`)
    return row?.value
  }

  it('is applied where a text differs, and only what differs', async () => {
    expect(await apply(1, { a: constant('a', 1), b: constant('b', 1) })).toEqual(['a', 'b'])
    expect(await apply(1, { a: constant('a', 1), b: constant('b', 1) })).toEqual([])
    expect(await apply(2, { a: constant('a', 1), b: constant('b', 2) })).toEqual(['b'])
    expect([await call('crawler.a()'), await call('crawler.b()')]).toEqual([1, 2])
    // A checkout with \\r\\n line ends has the same texts.
    expect(await apply(2, { a: constant('a', 1), b: constant('b', 2) })).toEqual([])
  })

  it('may call each other in any order, and a wrong body is refused as a whole', async () => {
    await apply(1, {
      a: `CREATE OR REPLACE FUNCTION crawler.a() RETURNS integer LANGUAGE sql AS 'SELECT crawler.z()';`,
      z: constant('z', 7),
    })
    expect(await call('crawler.a()')).toBe(7)
    const wrong = `CREATE OR REPLACE FUNCTION crawler.b() RETURNS integer LANGUAGE sql AS 'SELECT crawler.nobody()';`
    await expect(apply(2, { a: constant('a', 1), b: wrong, z: constant('z', 8) })).rejects.toThrow(
      /^Function b is wrong, and no function was changed: function crawler\.nobody\(\) does not exist/,
    )
    expect([await call('crawler.a()'), await call('crawler.z()')]).toEqual([7, 7])
  })

  it('names the line of a text that fails, and changes nothing then', async () => {
    await apply(1, { a: constant('a', 1) })
    await expect(apply(2, { a: constant('a', 2), b: 'SELECT 1;\n\nSELECT nonsense;' })).rejects.toThrow(
      /^Function b failed, and no function was changed \(line 3\): column "nonsense" does not exist\.$/,
    )
    expect(await call('crawler.a()')).toBe(1)
  })

  it('of a newer version is refused, whoever asks', async () => {
    await using migrated = await createTestDatabase()
    await migrated.query('UPDATE crawler.function_set SET number = 9999')
    for (const mayMigrate of ['1', '0']) {
      const env = { DATABASE_URL: migrated.url, MIGRATE_ON_START: mayMigrate }
      const { code, stderr } = await runCommand(['serve'], env, { cwd: tmpdir() })
      expect(stderr).toMatch(
        /^waymark: The database has function set 9999, and this version of Waymark knows only \d+: start the newer version that applied it \(docs\/database\.md\)\.\n$/,
      )
      expect(code).toBe(2)
    }
  })

  it('that is not applied keeps a server from starting which may not migrate', async () => {
    await using migrated = await createTestDatabase()
    await migrated.query(`UPDATE crawler.schema_function SET sha256 = 'x' WHERE name = 'reap'`)
    const env = { DATABASE_URL: migrated.url, MIGRATE_ON_START: '0' }
    const { code, stderr } = await runCommand(['serve'], env, { cwd: tmpdir() })
    expect(stderr).toMatch(/^waymark: The database lacks function set \d+, and MIGRATE_ON_START=0 keeps/)
    expect(code).toBe(2)
  })

  it.each([
    [
      'other arguments',
      constant('a', 2, 'b integer'),
      /would have the signatures crawler\.a\(\) and crawler\.a\(integer\)/,
    ],
    [
      'another result',
      `CREATE OR REPLACE FUNCTION crawler.a() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;`,
      /cannot change return type of existing function/,
    ],
  ])('takes a changed signature only under a new name: %s', async (_what, changed, message) => {
    await apply(1, { a: constant('a', 1) })
    await expect(apply(2, { a: changed })).rejects.toThrow(message)
    await expect(apply(2, { a: changed })).rejects.toThrow(/new name\.$/)
    expect(await call('crawler.a()')).toBe(1)
  })

  it('keeps what it leaves out until a set with a higher number comes: servers of the one before still call it', async () => {
    await apply(1, { a: constant('a', 1), b: constant('b', 1) })
    await apply(2, { a_2: constant('a_2', 2), b: constant('b', 1) })
    expect([await call('crawler.a()'), await call('crawler.a_2()')]).toEqual([1, 2])
    // Another migrator of the same version.
    await apply(2, { a_2: constant('a_2', 2), b: constant('b', 1) })
    expect(await call('crawler.a()')).toBe(1)
    await apply(3, { a_2: constant('a_2', 2), b: constant('b', 1) })
    await expect(call('crawler.a()')).rejects.toThrow('function crawler.a() does not exist')
    expect([await call('crawler.a_2()'), await call('crawler.b()')]).toEqual([2, 1])
  })

  it('drops a trigger that it has left out, too', async () => {
    const note = `CREATE OR REPLACE FUNCTION crawler.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';`
    const trigger = `CREATE OR REPLACE TRIGGER a_noted AFTER INSERT ON crawler.schema_function FOR EACH ROW EXECUTE FUNCTION crawler.note();`
    // a_noted comes before note in the alphabet, and after it in the set.
    await apply(1, { a_noted: trigger, note })
    const triggers = () => database.query(`SELECT FROM pg_trigger WHERE tgname = 'a_noted'`)
    expect(await triggers()).toHaveLength(1)
    await apply(2, {})
    expect(await triggers()).toHaveLength(1)
    await apply(3, {})
    expect(await triggers()).toEqual([])
    await expect(call('crawler.note()')).rejects.toThrow()
  })

  it('is replaced once by several that migrate at once, while others call it', async () => {
    await apply(1, { a: constant('a', 1) })
    await writeFile(join(folder, 'a.sql'), constant('a', 2))
    await writeFile(join(folder, 'set.json'), '{ "number": 2 }')
    await withClient(database.url, async (client) => {
      await client.query('PREPARE calling AS SELECT crawler.a() AS value')
      const values: unknown[] = []
      const calling = (async () => {
        for (let time = 0; time < 200; time += 1) values.push((await client.query('EXECUTE calling')).rows[0])
      })()
      const options = { databaseUrl: database.url, directory: migrations, functionsDirectory: folder }
      const reports = await Promise.all(Array.from({ length: 4 }, () => migrate(options)))
      expect(reports.flatMap(({ functions }) => functions)).toEqual(['a'])
      await calling
      expect(values).toHaveLength(200)
      expect((await client.query('EXECUTE calling')).rows).toEqual([{ value: 2 }])
    })
  })
})
