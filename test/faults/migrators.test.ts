import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../../src/database/migrations/migrate.ts'
import { packagedMigrations, readMigrations } from '../../src/database/migrations/migration-files.ts'
import { verifySchema } from '../../src/database/migrations/verify.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { expectEachSavedOnce, KeyedWriters, RETRIABLE } from './keyed-writers.ts'
import { allowedMs, rounds, seconds, tell } from './rounds.ts'

const ROUNDS = rounds(10, 1)
const STALL_MS = allowedMs(3_000)

describe('three migrators at once, while 16 writers save', () => {
  let database: TestDatabase
  let server: ServerProcess
  let writers: KeyedWriters
  let folder: string
  beforeAll(async () => {
    database = await createTestDatabase()
    server = await startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'warn' })
    for (const userId of KeyedWriters.users()) await mutate(clientOf(server.url), 'registerUser', { userId })
    folder = await mkdtemp(join(tmpdir(), 'waymark-migrators-'))
    await cp(packagedMigrations, folder, { recursive: true })
    writers = new KeyedWriters(() => server.url)
  })
  afterAll(async () => {
    await writers.stop()
    await server[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const names: string[] = []

  /** Takes the exclusive lock that each ALTER TABLE takes, and leaves a trace each time that it is committed. */
  async function addMigration(): Promise<string> {
    const name = `${String((await readMigrations(folder)).length + 1).padStart(3, '0')}_trace`
    names.push(name)
    await mkdir(join(folder, name))
    await writeFile(
      join(folder, name, 'migration.sql'),
      `CREATE TABLE IF NOT EXISTS crawler.trace (migration text);
       INSERT INTO crawler.trace VALUES ('${name}');
       ALTER TABLE crawler.crawl_checkpoint ADD COLUMN "${name}" text;
       CREATE INDEX ON crawler.crawl_checkpoint ("${name}");`,
    )
    return name
  }

  const migrateAtOnce = () =>
    Promise.allSettled([0, 1, 2].map(() => migrate({ databaseUrl: database.url, directory: folder })))
  const traces = async () =>
    (await database.query<{ migration: string }>('SELECT * FROM crawler.trace')).map((row) => row.migration)

  it(`abort where a transaction holds a lock, with the schema as it was, and hold no writer up for ${seconds(STALL_MS)} (${ROUNDS} times)`, async () => {
    const name = await addMigration()
    writers.slowestSaveMs = 0
    await withClient(database.url, async (holder) => {
      await holder.query('BEGIN')
      await holder.query('SELECT FROM crawler.crawl_checkpoint')
      for (let round = 0; round < ROUNDS; round += 1) {
        await writers.goOn()
        for (const result of await migrateAtOnce()) {
          expect(result).toMatchObject({
            status: 'rejected',
            reason: { message: expect.stringContaining(`Migration ${name} failed and changed nothing`) as string },
          })
        }
      }
      await holder.query('ROLLBACK')
    })
    await writers.goOn()
    expect(writers.slowestSaveMs).toBeLessThan(STALL_MS)
    expect((await verifySchema({ databaseUrl: database.url })).differences).toEqual([])
    tell(
      `fault 10: ${ROUNDS} times 3 migrators that found a lock held: aborted; slowest save ${Math.round(writers.slowestSaveMs)} ms`,
    )
  }, 900_000)

  it(`apply each migration once, and hold no writer up for ${seconds(STALL_MS)} (${ROUNDS} migrations)`, async () => {
    writers.slowestSaveMs = 0
    for (let round = 1; round <= ROUNDS; round += 1) {
      const name = await addMigration()
      await writers.goOn()
      const applied = (await migrateAtOnce()).map((result) =>
        result.status === 'fulfilled' ? result.value.applied : result.reason,
      )
      expect(applied.flat().sort()).toEqual(round === 1 ? names : [name])
    }
    await writers.goOn()
    expect(await traces()).toEqual(names)
    expect(writers.slowestSaveMs).toBeLessThan(STALL_MS)

    await writers.stop()
    await expectEachSavedOnce(database.url, writers)
    expect([...writers.failures.keys()].filter((code) => !RETRIABLE.includes(code))).toEqual([])
    tell(
      `fault 10: ${ROUNDS} migrations by 3 migrators at once, each applied once; slowest save ${Math.round(writers.slowestSaveMs)} ms`,
    )
  }, 900_000)
})
