import { mkdtemp, rm, chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { TestProject } from 'vitest/node'
import { startEmbedded } from '../../src/database/embedded/embedded.ts'
import { migrate } from '../../src/database/migrations/migrate.ts'
import { withClient, createDatabase, dropDatabase, urlOfDatabase } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    serverUrl: string
    templateDatabase: string
  }
}

/**
 * One PostgreSQL for a project of tests: TEST_DATABASE_URL's server, or an embedded one in a temporary folder.
 * One migrated template database in it, which each test clones (about 50 ms) instead of migrating anew.
 */
export default async function globalSetup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL']
  const folder = given ? undefined : await mkdtemp(join(tmpdir(), 'waymark-test-'))
  if (folder) await chmod(folder, 0o755)
  const embedded = folder
    ? await startEmbedded({ dataDir: join(folder, 'data'), log: pino({ level: 'silent' }) })
    : undefined
  const serverUrl = given ?? embedded?.url
  if (!serverUrl) throw new Error('no PostgreSQL for the tests: set TEST_DATABASE_URL')
  if (embedded) await forgetDurability(serverUrl)
  const runId = `${project.name}_${process.pid}`
  const templateDatabase = `waymark_template_${runId}`
  await createDatabase(serverUrl, templateDatabase)
  await migrate({ databaseUrl: urlOfDatabase(serverUrl, templateDatabase) })
  project.provide('serverUrl', serverUrl)
  project.provide('templateDatabase', templateDatabase)
  return async () => {
    try {
      await dropDatabase(serverUrl, templateDatabase)
      await withClient(serverUrl, async (client) => {
        const { rows } = await client.query<{ datname: string }>(
          `SELECT datname FROM pg_database WHERE datname LIKE 'waymark_test_${runId}_%'`,
        )
        if (rows.length > 0)
          throw new Error(`tests left databases behind: ${rows.map((row) => row.datname).join(', ')}`)
      })
    } finally {
      await embedded?.stop()
      if (folder) await rm(folder, { recursive: true, force: true })
    }
  }
}

/**
 * Nobody reads this cluster after the run, so it need not survive a crash of the machine. A test that kills PostgreSQL
 * starts one of its own, with the settings that users have.
 */
async function forgetDurability(serverUrl: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    for (const setting of ["fsync = 'off'", "full_page_writes = 'off'", "checkpoint_timeout = '1h'"])
      await client.query(`ALTER SYSTEM SET ${setting}`)
    await client.query('SELECT pg_reload_conf()')
  })
}
