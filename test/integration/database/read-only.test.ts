import { expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { watchLive } from '../../support/feed-reader.ts'
import { clientOf, mutate, operations, startOn } from '../../support/waymark.ts'

const writes: [keyof typeof operations, Record<string, unknown>][] = [
  ['registerUser', { userId: 'bob' }],
  ['saveCheckpoint', { userId: 'ada', itemId: '2' }],
  ['clearCheckpoint', { userId: 'ada' }],
  ['startSession', { userId: 'ada' }],
]

/** What a managed database does when its disk is full: new sessions are read-only, and those from before are ended. */
async function setReadOnly(database: TestDatabase, isReadOnly: boolean): Promise<void> {
  await database.query(
    `BEGIN READ WRITE; ALTER DATABASE ${database.name} SET default_transaction_read_only = ${
      isReadOnly ? 'on' : 'off'
    }; COMMIT`,
  )
  if (!isReadOnly) return
  await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`)
}

it('a database that turns read-only is SERVICE_UNAVAILABLE for writes and not ready, still reads, and recovers by itself', async () => {
  await using database = await createTestDatabase()
  const app = await startOn(database.url)
  const client = clientOf(app.url)
  const ready = async () => {
    const response = await fetch(new URL('/ready', app.url))
    return { ...((await response.json()) as object), status: response.status }
  }
  try {
    await mutate(client, 'registerUser', { userId: 'ada' })
    using watch = watchLive(app.url, 'checkpointChanged', { filter: { userId: 'ada' } })
    await mutate(client, 'saveCheckpoint', { userId: 'ada', itemId: '1' })

    await setReadOnly(database, true)
    const reason = expect.stringContaining('transactions are read-only') as string
    await expect.poll(ready, { timeout: 20_000 }).toMatchObject({ status: 503, reason })
    for (const [operation, input] of writes) {
      // A connection that was just ended says first that the database cannot be reached.
      const fail = async () => {
        const { code, message } = await client.fail(operations[operation], { input })
        expect([operation, code]).toEqual([operation, 'SERVICE_UNAVAILABLE'])
        return message
      }
      await expect.poll(fail, { timeout: 20_000 }).toContain('The database takes no writes just now')
    }
    const { checkpoint } = await client.ask('{ checkpoint(userId: "ada") { lastItemId } }')
    expect(checkpoint).toEqual({ lastItemId: '1' })

    await setReadOnly(database, false)
    await expect.poll(ready, { timeout: 20_000 }).toMatchObject({ status: 200 })
    // A connection that was opened meanwhile is read-only until its first write, which gives it up.
    for (const [operation, input] of writes) {
      const write = async () => (await client.send(operations[operation], { input })).errors
      await expect.poll(write, { timeout: 20_000 }).toBeUndefined()
    }
    const items = () => watch.told.map(({ lastItemId }) => lastItemId)
    await expect.poll(items, { timeout: 20_000 }).toEqual(['1', '2', null])
  } finally {
    await app.close()
  }
})

it('a server starts on a database that is read-only, is not ready, and serves once it takes writes', async () => {
  await using database = await createTestDatabase()
  await database.query(`INSERT INTO public."user" VALUES ('ada')`)
  await setReadOnly(database, true)
  const app = await startOn(database.url)
  try {
    const client = clientOf(app.url)
    const save = () => client.send(operations.saveCheckpoint, { input: { userId: 'ada', itemId: '1' } })
    expect((await save()).errors?.[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE')
    expect((await fetch(new URL('/ready', app.url))).status).toBe(503)
    await setReadOnly(database, false)
    await expect.poll(async () => (await save()).errors, { timeout: 10_000 }).toBeUndefined()
  } finally {
    await app.close()
  }
})
