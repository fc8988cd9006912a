import { describe, expect, inject, it } from 'vitest'
import { decodeFeedCursor, encodeFeedCursor } from '../../../src/events/cursor.ts'
import { resetFeed } from '../../../src/events/reset.ts'
import { createDatabase, createTestDatabase, dropDatabase, urlOfDatabase } from '../../support/database.ts'
import { readFeed } from '../../support/feed-reader.ts'
import { codeBlocks, patternOf, readDocument } from '../docs/markdown.ts'
import { runCommand, startServer } from '../../support/server-process.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const reset = (databaseUrl: string) => runCommand(['feed', 'reset'], { DATABASE_URL: databaseUrl }, { cwd: '/' })

async function feedCursor(url: string): Promise<string> {
  const { checkpoints } = await clientOf(url).ask('{ checkpoints(first: 1) { feedCursor } }')
  return checkpoints.feedCursor as string
}

const save = (url: string, itemId: string) => mutate(clientOf(url), 'saveCheckpoint', { userId: 'ada', itemId })

/** The same cursor as earlier versions made it. */
function withoutFingerprint(cursor: string): string {
  const { generation = '', eventId = 0n, fingerprint } = decodeFeedCursor(cursor) ?? {}
  expect(fingerprint).toMatch(/^[\w-]{8}$/)
  return encodeFeedCursor({ generation, eventId })
}

/** Runs a server on the database for as long as that takes. */
async function withServer<Result>(databaseUrl: string, use: (url: string) => Promise<Result>): Promise<Result> {
  const app = await startOn(databaseUrl)
  try {
    return await use(app.url)
  } finally {
    await app.close()
  }
}

async function itemsAfter(url: string, after: string, count: number) {
  const { told, code } = await readFeed(url, 'checkpointChanged', { after }, count)
  return code ?? told.map(({ lastItemId }) => lastItemId)
}

// Several processes, each a second or two in starting, and more on a busy machine.
describe('waymark feed reset', { timeout: 90_000 }, () => {
  it('keeps a database restored from a backup from skipping what it tells to whoever was ahead of the backup', async () => {
    await using database = await createTestDatabase()
    const serverUrl = inject('serverUrl')
    const backup = `${database.name}_backup`
    await withServer(database.url, async (url) => {
      await mutate(clientOf(url), 'registerUser', { userId: 'ada' })
      await save(url, '1')
    })
    await createDatabase(serverUrl, backup, database.name)
    try {
      const restored = urlOfDatabase(serverUrl, backup)
      const ahead = await withServer(database.url, async (url) => {
        const start = await feedCursor(url)
        await save(url, '2')
        await save(url, '3')
        const { told } = await readFeed(url, 'checkpointChanged', { after: start }, 2)
        return told[1]?.cursor ?? ''
      })
      await withServer(restored, async (url) => {
        for (const itemId of ['20', '30', '40']) await save(url, itemId)
        // 20 and 30 have the IDs that 2 and 3 had. The cursor says what its event was; those of earlier versions did not.
        expect(await itemsAfter(url, ahead, 1)).toBe('CURSOR_EXPIRED')
        expect(await itemsAfter(url, withoutFingerprint(ahead), 1)).toEqual(['40'])
      })

      const { code, stdout, stderr } = await reset(restored)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })

      await withServer(restored, async (url) => {
        expect(await itemsAfter(url, ahead, 1)).toBe('CURSOR_EXPIRED')
        expect(await itemsAfter(url, withoutFingerprint(ahead), 1)).toBe('CURSOR_EXPIRED')
        const start = await feedCursor(url)
        expect(stdout).toContain(`generation: ${decodeFeedCursor(start)?.generation} instead of`)
        expect(stdout).toContain(decodeFeedCursor(ahead)?.generation)
        await save(url, '50')
        await save(url, '60')
        expect(await itemsAfter(url, start, 2)).toEqual(['50', '60'])
      })
    } finally {
      await dropDatabase(serverUrl, backup)
    }
  })

  it('is taken up by servers that run: they refuse each cursor from before, and end who watches with CURSOR_EXPIRED', async () => {
    await using database = await createTestDatabase()
    await using server = await startServer({ DATABASE_URL: database.url })
    await mutate(clientOf(server.url), 'registerUser', { userId: 'ada' })
    const before = await feedCursor(server.url)
    await save(server.url, '1')
    const watching = itemsAfter(server.url, before, 2)

    const { code, stdout } = await reset(database.url)
    expect(code).toBe(0)
    const shown = codeBlocks(await readDocument('docs/feeds.md')).find(
      ({ language, name }) => language === 'text' && name === 'reset',
    )
    expect(stdout.trimEnd()).toMatch(patternOf(shown?.text ?? ''))

    expect(await watching).toBe('CURSOR_EXPIRED')
    expect(await itemsAfter(server.url, before, 1)).toBe('CURSOR_EXPIRED')
    const after = await feedCursor(server.url)
    await save(server.url, '2')
    expect(await itemsAfter(server.url, after, 1)).toEqual(['2'])
  })

  it('refuses a database that is not migrated, in a line that says what to do, with exit code 2', async () => {
    await using database = await createTestDatabase('empty')
    const { code, stdout, stderr } = await reset(database.url)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^waymark: .*not migrated: run migrate.*\n$/)
  })

  it('refuses a database that only takes reads', async () => {
    await using database = await createTestDatabase()
    await database.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`)
    await expect(resetFeed({ databaseUrl: database.url })).rejects.toThrow(/point DATABASE_URL at the primary\.$/)
  })

  it('shows the usage where the second word is another', async () => {
    const { code, stderr } = await runCommand(['feed', 'rest'], {}, { cwd: '/' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^usage: waymark[\s\S]*feed reset/)
  })
})
