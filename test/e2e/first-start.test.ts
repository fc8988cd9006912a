import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { runCommand, startServer } from '../support/server-process.ts'
import { clientOf, mutate } from '../support/waymark.ts'

vi.setConfig({ testTimeout: 120_000 })

describe('on an empty database', () => {
  it('two servers that start at once both serve, and see each other’s work', async () => {
    await using database = await createTestDatabase('empty')
    const servers = await Promise.all([1, 2].map(() => startServer({ DATABASE_URL: database.url })))
    try {
      const [first, second] = servers.map(({ url }) => clientOf(url))
      if (!first || !second) throw new Error('two were started')
      await mutate(first, 'registerUser', { userId: 'alice' })
      await mutate(second, 'saveCheckpoint', { userId: 'alice', itemId: '20', bookmarksCount: 7 })
      expect(await first.ask('{ checkpoint(userId: "alice") { lastItemId bookmarksCount } }')).toEqual({
        checkpoint: { lastItemId: '20', bookmarksCount: 7 },
      })
    } finally {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    }
  })

  it('several processes that migrate at once all succeed, and each migration is applied by one', async () => {
    await using database = await createTestDatabase('empty')
    const results = await Promise.all([1, 2, 3].map(() => runCommand(['migrate'], { DATABASE_URL: database.url })))
    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(Array(3).fill({ code: 0, stderr: '' }))
    const applied = results.flatMap(({ stdout }) => [...stdout.matchAll(/^applied (\S+)$/gm)].map(([, name]) => name))
    const recorded = await database.query<{ name: string }>('SELECT name FROM crawler.schema_migration ORDER BY name')
    expect(applied.sort()).toEqual(recorded.map(({ name }) => name))
    expect(applied.length).toBeGreaterThan(1)
  })

  it('a server that is told not to migrate says what to run, and changes nothing', async () => {
    await using database = await createTestDatabase('empty')
    const { code, stderr } = await runCommand(['serve'], {
      DATABASE_URL: database.url,
      MIGRATE_ON_START: '0',
      PORT: '0',
    })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^waymark: [^\n]*migrate[^\n]*\n$/)
    expect(await database.query(`SELECT FROM pg_namespace WHERE nspname = 'crawler'`)).toEqual([])
  })
})

describe('a server that is killed with -9', () => {
  it('leaves every save that it acknowledged, and no lock in anybody’s way', async () => {
    await using database = await createTestDatabase()
    const server = await startServer({ DATABASE_URL: database.url })
    const client = clientOf(server.url)
    await mutate(client, 'registerUser', { userId: 'alice' })
    let acknowledged = 0
    const saving = (async () => {
      for (let count = 1; ; count += 1) {
        await mutate(client, 'saveCheckpoint', { userId: 'alice', itemId: String(count), bookmarksCount: count })
        acknowledged = count
      }
    })().catch(() => undefined)
    while (acknowledged < 20) await delay(5)
    await server[Symbol.asyncDispose]()
    await saving
    await using next = await startServer({ DATABASE_URL: database.url })
    const { checkpoint } = await clientOf(next.url).ask<{ checkpoint: { lastItemId: string; bookmarksCount: number } }>(
      '{ checkpoint(userId: "alice") { lastItemId bookmarksCount } }',
    )
    // The one in flight may have been committed, and its answer lost.
    expect([acknowledged, acknowledged + 1]).toContain(checkpoint.bookmarksCount)
    expect(checkpoint.lastItemId).toBe(String(checkpoint.bookmarksCount))
    expect(
      await mutate(clientOf(next.url), 'saveCheckpoint', { userId: 'alice', itemId: '1000', bookmarksCount: 1000 }),
    ).toMatchObject({ created: false })
  })
})
