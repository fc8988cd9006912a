import { describe, expect, it } from 'vitest'
import { migrate } from '../../src/database/migrations/migrate.ts'
import { withClient } from '../support/database.ts'
import { readFeed, watchLive } from '../support/feed-reader.ts'
import {
  NO_REPLICATION,
  replicationBinaries,
  type ReplicatedPostgres,
  startReplication,
} from '../support/replicated-postgres.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { clientOf, mutate, operations, startOn } from '../support/waymark.ts'

const filter = { userId: 'ada' }
const patience = { timeout: 20_000 }

const urlOf = (port: number) => `postgresql://postgres@127.0.0.1:${port}/postgres`
const hasSeen = (server: ReplicatedPostgres, itemId: string) =>
  server.query(`SELECT FROM crawler.feed_event WHERE last_item_id = '${itemId}'`)
const save = (url: string, itemId: string, stream?: string) =>
  mutate(clientOf(url), 'saveCheckpoint', { userId: 'ada', itemId, ...(stream !== undefined && { stream }) })

async function feedCursor(url: string): Promise<string> {
  const { checkpoints } = await clientOf(url).ask('{ checkpoints(first: 1) { feedCursor } }')
  return checkpoints.feedCursor as string
}

/** Stops what sends the log to standbys, as a network between them that fails. */
async function holdReplication(primary: ReplicatedPostgres): Promise<AsyncDisposable> {
  const senders = (await primary.query('SELECT pid FROM pg_stat_replication')).map(({ pid }) => Number(pid))
  expect(senders).toHaveLength(1)
  for (const pid of senders) process.kill(pid, 'SIGSTOP')
  return {
    async [Symbol.asyncDispose]() {
      for (const pid of senders) process.kill(pid, 'SIGKILL')
      return Promise.resolve()
    },
  }
}

// Each starts several PostgreSQL.
describe.skipIf(replicationBinaries === undefined)('a failover', { timeout: 180_000 }, () => {
  const replicate = () => startReplication(replicationBinaries ?? '')

  it('to a synchronous standby loses nothing: the feed goes on, exact, and saves are served within 10 s', async () => {
    await using replication = await replicate()
    const primary = await replication.createPrimary()
    await migrate({ databaseUrl: primary.url })
    const standby = await replication.createStandby(primary, 'standby')
    await primary.configure([`synchronous_standby_names = 'standby'`])
    await primary.query('SELECT pg_reload_conf()')
    await expect
      .poll(() => primary.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`), patience)
      .toHaveLength(1)

    let port = primary.port
    await using proxy = await startTcpProxy(() => port)
    const app = await startOn(urlOf(proxy.port))
    try {
      const client = clientOf(app.url)
      await mutate(client, 'registerUser', { userId: 'ada' })
      const before = await feedCursor(app.url)
      using watch = watchLive(app.url, 'checkpointChanged', { filter })
      const acknowledged: string[] = []
      const until = { isOver: false }
      const saving = (async () => {
        for (let item = 1; !until.isOver; item += 1) {
          const { errors } = await client.send(operations.saveCheckpoint, {
            input: { userId: 'ada', itemId: String(item) },
          })
          if (!errors) acknowledged.push(String(item))
        }
      })()
      await expect.poll(() => acknowledged.length, patience).toBeGreaterThan(20)

      await primary.stop('kill')
      await standby.promote()
      const promotedAt = performance.now()
      port = standby.port
      const soFar = acknowledged.length
      await expect.poll(() => acknowledged.length, { timeout: 15_000, interval: 20 }).toBeGreaterThan(soFar + 20)
      expect(performance.now() - promotedAt).toBeLessThan(10_000)
      until.isOver = true
      await saving

      const last = acknowledged.at(-1)
      await expect.poll(() => watch.told.at(-1)?.lastItemId, patience).toBe(last)
      const items = watch.told.map(({ lastItemId }) => lastItemId ?? '')
      // In order, none twice, and each that was acknowledged. One whose answer was lost may have been saved too.
      expect(items).toEqual([...new Set(items)].sort((one, other) => Number(one) - Number(other)))
      expect(acknowledged.filter((item) => !items.includes(item))).toEqual([])
      expect(watch.code).toBeUndefined()
      const { told } = await readFeed(app.url, 'checkpointChanged', { filter, after: before }, items.length)
      expect(told.map(({ lastItemId }) => lastItemId)).toEqual(items)
    } finally {
      await app.close()
    }
  })

  it('that lost one event and kept the next is noticed: a new generation, and every subscriber is told', async () => {
    await using replication = await replicate()
    const primary = await replication.createPrimary()
    await migrate({ databaseUrl: primary.url })
    const standby = await replication.createStandby(primary, 'standby')

    let port = primary.port
    await using proxy = await startTcpProxy(() => port)
    const app = await startOn(urlOf(proxy.port))
    try {
      await mutate(clientOf(app.url), 'registerUser', { userId: 'ada' })
      using watch = watchLive(app.url, 'checkpointChanged', { filter })
      using other = watchLive(app.url, 'sessionStatusChanged', { filter })
      await save(app.url, '1')
      await expect.poll(() => watch.told, patience).toHaveLength(1)
      const early = watch.told[0]?.cursor ?? ''
      await withClient(primary.url, async (slow) => {
        // It takes its event ID before the next save, and commits after it.
        await slow.query('BEGIN')
        await slow.query(
          `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', 'x/slow', '2')`,
        )
        await save(app.url, '3')
        await expect.poll(() => hasSeen(standby, '3'), patience).toHaveLength(1)
        await using _held = await holdReplication(primary)
        await slow.query('COMMIT')
        await expect.poll(() => watch.told.map(({ lastItemId }) => lastItemId), patience).toEqual(['1', '2', '3'])
        await primary.stop('kill')
      })
      const late = watch.told[2]?.cursor ?? ''
      await standby.promote()
      port = standby.port
      expect(await hasSeen(standby, '2')).toEqual([])
      expect(await hasSeen(standby, '3')).toHaveLength(1)

      await expect.poll(() => [watch.code, other.code], patience).toEqual(['CURSOR_EXPIRED', 'CURSOR_EXPIRED'])
      for (const after of [early, late]) {
        const refused = await readFeed(app.url, 'checkpointChanged', { filter, after }, 1)
        expect(refused.code).toBe('CURSOR_EXPIRED')
        expect(refused.message).toMatch(/the database lost events \(a failover or a restore\).*list again/)
      }
      const start = await feedCursor(app.url)
      await save(app.url, '4')
      const { told } = await readFeed(app.url, 'checkpointChanged', { filter, after: start }, 1)
      expect(told.map(({ lastItemId }) => lastItemId)).toEqual(['4'])
    } finally {
      await app.close()
    }
  })
})

describe.skipIf(replicationBinaries === undefined)('a clone by point-in-time recovery', { timeout: 180_000 }, () => {
  it('refuses the cursor of an event that it does not have, and continues from one that it has', async () => {
    await using replication = await startReplication(replicationBinaries ?? '')
    const primary = await replication.createPrimary()
    await migrate({ databaseUrl: primary.url })
    const backup = await replication.backUp(primary)
    let port = primary.port
    await using proxy = await startTcpProxy(() => port)
    const stayed = await startOn(urlOf(proxy.port))
    try {
      await mutate(clientOf(stayed.url), 'registerUser', { userId: 'ada' })
      using watch = watchLive(stayed.url, 'checkpointChanged', { filter })
      for (const item of ['1', '2', '3']) await save(stayed.url, item)
      await primary.query(`SELECT pg_create_restore_point('here')`)
      for (const item of ['4', '5', '6']) await save(stayed.url, item)
      await primary.query('SELECT pg_switch_wal()')
      await expect.poll(() => watch.told, patience).toHaveLength(6)
      const archived = `SELECT FROM pg_stat_archiver WHERE last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1)`
      await expect.poll(() => primary.query(archived), patience).toHaveLength(1)
      const cursors = watch.told.map(({ cursor }) => cursor)
      const clone = await replication.recover(backup, 'here')

      const started = await startOn(clone.url)
      try {
        // They get the event IDs that 4, 5 and 6 have in the original, or IDs above.
        for (const item of ['40', '50', '60', '70']) await save(started.url, item)
        const lost = await readFeed(started.url, 'checkpointChanged', { filter, after: cursors[5] }, 1)
        expect(lost).toMatchObject({
          code: 'CURSOR_EXPIRED',
          message: expect.stringMatching(/lost .*event.* \(a failover or a restore\).*list again/) as string,
        })
        const kept = await readFeed(started.url, 'checkpointChanged', { filter, after: cursors[2] }, 4)
        expect(kept.told.map(({ lastItemId }) => lastItemId)).toEqual(['40', '50', '60', '70'])
      } finally {
        await started.close()
      }
      // A server that stays, and whose connections lead to the clone from now on.
      port = clone.port
      proxy.cut()
      await expect.poll(() => watch.code, patience).toBe('CURSOR_EXPIRED')
      expect((await readFeed(stayed.url, 'checkpointChanged', { filter, after: cursors[2] }, 1)).code).toBe(
        'CURSOR_EXPIRED',
      )
    } finally {
      await stayed.close()
    }
  })
})

describe('failovers', () => {
  it('are tried where PostgreSQL can be replicated', (context) => {
    if (replicationBinaries === undefined) context.skip(NO_REPLICATION)
  })
})
