import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { readCatalog } from '../../../src/database/migrations/catalog.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { keepPartitions } from '../../../src/database/partitions.ts'
import { printSchema, schemaFile } from '../../../src/database/migrations/schema-file.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { createDatabase, urlOfDatabase, withClient } from '../../support/database.ts'
import { startOtherPostgres } from '../../support/other-postgres.ts'

/** Debian's folders; POSTGRES_BINARIES adds others, separated by colons. */
const folders = [
  ...['15', '16', '17'].map((major) => `/usr/lib/postgresql/${major}/bin`),
  ...(process.env['POSTGRES_BINARIES'] ?? '').split(':'),
].filter((folder) => folder !== '' && existsSync(join(folder, 'postgres')))
const isOld = (folder: string) =>
  / (9\.\d+|1[0-4])\b/.test(execFileSync(join(folder, 'postgres'), ['--version'], { encoding: 'utf8' }))
const oldFolders = folders.filter(isOld)
const newFolders = folders.filter((folder) => !oldFolders.includes(folder))
const packed = await readFile(new URL('../../data/schema-013.sql.gz', import.meta.url))

describe('on another PostgreSQL than the embedded one', () => {
  it('there is one to try on', (context) => {
    if (folders.length === 0)
      context.skip('no PostgreSQL 15, 16 or 17: apt-get install postgresql, or POSTGRES_BINARIES')
  })

  it.each(oldFolders)('refuses one that is too old, in a line that says so: %s', async (folder) => {
    await using postgres = await startOtherPostgres(folder)
    await expect(migrate({ databaseUrl: postgres.url })).rejects.toThrow(
      /is on PostgreSQL .* needs 15 or newer: upgrade it/,
    )
  })

  it.each(newFolders)(
    'migrates to what prisma/schema.sql says, takes 013 over, and retires partitions: %s',
    async (folder) => {
      await using postgres = await startOtherPostgres(folder)
      for (const name of ['fresh', 'taken']) await createDatabase(postgres.url, name)
      const [fresh, taken] = [urlOfDatabase(postgres.url, 'fresh'), urlOfDatabase(postgres.url, 'taken')]

      await migrate({ databaseUrl: fresh })
      const objects = await withClient(fresh, readCatalog)
      expect(printSchema(objects)).toBe(await readFile(schemaFile, 'utf8'))

      await withClient(taken, async (client) => client.query(String(await promisify(gunzip)(packed))))
      await migrate({ databaseUrl: taken })
      expect(await verifySchema({ databaseUrl: taken })).toEqual({ differences: [], notes: [], diff: '' })

      const settings = { url: fresh, poolSize: 2, connectTimeoutMs: 5_000, statementTimeoutMs: 10_000 }
      const database = openDatabase({ ...settings, log: pino({ level: 'silent' }) })
      try {
        await withClient(fresh, async (writer) => {
          const keep = (keepHours: number, partitionHours: number) =>
            keepPartitions(database, { name: 'feed_event', keepHours, partitionHours })
          // Opens the next one.
          expect(await keep(1, 0)).toBe(0)
          await writer.query(`BEGIN; INSERT INTO public."user" VALUES ('ann');
          INSERT INTO crawler.crawl_checkpoint (user_id, last_tweet_id) VALUES ('ann', '1')`)
          // It has to give DETACH up, and FINALIZE it.
          expect(await keep(0, 100)).toBe(1)
          await writer.query('COMMIT')
        })
      } finally {
        await database.close()
      }
    },
  )
})
