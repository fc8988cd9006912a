import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packagedMigrations, readMigrations } from '../../../src/database/migrations/migration-files.ts'
import { createTestDatabase } from '../../support/database.ts'

const scripts = join(packagedMigrations, '..', '..', 'scripts')

/** From another directory, with nothing but DATABASE_URL. */
function runScript(name: string, databaseUrl: string): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      join(scripts, name),
      { cwd: tmpdir(), env: { ...process.env, DATABASE_URL: databaseUrl } },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

// A script builds first where the sources have changed since.
describe('scripts/run_migration.sh and scripts/verify_schema.sh', { timeout: 120_000 }, () => {
  it('migrate and verify from any directory, with the exit code as the answer', async () => {
    await using database = await createTestDatabase('empty')
    const unmigrated = await runScript('verify_schema.sh', database.url)
    expect(unmigrated).toMatchObject({ code: 1 })
    expect(unmigrated.stdout).toContain('Migration 001_original_tables is not applied: run migrate.\n')

    const migrated = await runScript('run_migration.sh', database.url.replace('postgresql:', 'postgresql+asyncpg:'))
    expect(migrated).toMatchObject({ code: 0 })
    for (const { name } of await readMigrations()) expect(migrated.stdout).toContain(name)
    expect(await runScript('verify_schema.sh', database.url)).toMatchObject({ code: 0 })

    await database.query('DROP INDEX crawler.crawl_session_started')
    const damaged = await runScript('verify_schema.sh', database.url)
    expect(damaged).toMatchObject({ code: 1 })
    expect(damaged.stdout).toMatch(
      /^Index crawler\.crawl_session_started of crawler\.crawl_session is missing: CREATE INDEX/,
    )
  })

  it.each(['run_migration.sh', 'verify_schema.sh'])(
    '%s fails with one line where it cannot connect',
    async (script) => {
      const { code, stdout, stderr } = await runScript(script, 'postgresql://ada@127.0.0.1:1/none')
      expect(code).toBe(2)
      expect(`${stdout}${stderr}`.trim().split('\n')).toEqual([
        expect.stringContaining('Cannot connect to PostgreSQL at 127.0.0.1:1'),
      ])
    },
  )
})
