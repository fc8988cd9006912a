import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../../src/app.ts'
import { migrate } from '../../../src/database/migrations/migrate.ts'
import { StartupError } from '../../../src/errors/startup-error.ts'
import { withClient } from '../../support/database.ts'
import { watchLive } from '../../support/feed-reader.ts'
import {
  NO_REPLICATION,
  replicationBinaries,
  type ReplicatedPostgres,
  type Replication,
  startReplication,
} from '../../support/replicated-postgres.ts'
import { codeBlocks, patternOf, readDocument } from '../docs/markdown.ts'
import { runCommand } from '../../support/server-process.ts'
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const READ = '{ checkpoints(first: 1) { nodes { userId } } }'
const SAVE = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }`

const notReady = { status: 503, reason: expect.stringContaining('takes no writes') as string }

const urlThrough = (proxy: TcpProxy) => `postgresql://postgres@127.0.0.1:${proxy.port}/postgres`

async function ready(app: App): Promise<{ status: number; reason?: string }> {
  const response = await fetch(new URL('/ready', app.url))
  return { ...((await response.json()) as { reason?: string }), status: response.status }
}

describe('a hot standby', { timeout: 120_000 }, () => {
  let replication: Replication | undefined
  let primary: ReplicatedPostgres
  let standby: ReplicatedPostgres
  beforeAll(async () => {
    if (replicationBinaries === undefined) return
    replication = await startReplication(replicationBinaries)
    primary = await replication.createPrimary()
    await migrate({ databaseUrl: primary.url })
    standby = await replication.createStandby(primary, 'standby')
  }, 120_000)
  afterAll(async () => {
    await replication?.[Symbol.asyncDispose]()
  })

  it('is refused at the start, with exit code 2 and one line that says what to do', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    const { text = '' } =
      codeBlocks(await readDocument('docs/troubleshooting.md')).find(({ name }) => name === 'standby') ?? {}
    for (const [command, line] of [
      ['serve', new RegExp(patternOf(text).source.replace('$', '\\n$'))],
      ['feed reset', /^waymark: Cannot reset the feed: .*point DATABASE_URL at the primary\.\n$/],
    ] as const) {
      const { code, stderr } = await runCommand(command.split(' '), { DATABASE_URL: standby.url, PORT: '0' })
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(line) as string })
      expect(stderr.split('\n')).toHaveLength(2)
    }
    await expect(startOn(standby.url, { MIGRATE_ON_START: '0' })).rejects.toBeInstanceOf(StartupError)
  })

  it('that new connections lead to is SERVICE_UNAVAILABLE and not ready, and no event of the feed is lost', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    let port = primary.port
    await using proxy = await startTcpProxy(() => port)
    const app = await startOn(urlThrough(proxy), {}, { startWaitMs: 100 })
    const client = clientOf(app.url)
    const ids = Array.from({ length: 60 }, (_, index) => String(index + 1))
    try {
      await mutate(client, 'registerUser', { userId: 'ada' })
      using watch = watchLive(app.url, 'checkpointChanged', { filter: { userId: 'ada' } })
      await mutate(client, 'saveCheckpoint', { userId: 'ada', itemId: '1', stream: 'x/first' })
      await expect.poll(() => watch.told.length, { timeout: 10_000 }).toBe(1)

      port = standby.port
      proxy.cut()
      // Slow transactions that overlap, on the primary: each takes its event ID long before it commits.
      const writing = Promise.all(
        ids.map((id, index) =>
          withClient(primary.url, async (writer) => {
            await sleep(index * 30)
            await writer.query('BEGIN')
            await writer.query(
              `INSERT INTO crawler.crawl_checkpoint (user_id, stream, last_tweet_id) VALUES ('ada', $1, $2)`,
              [`x/${id}`, id],
            )
            await sleep(index % 3 === 0 ? 1_200 : 20)
            await writer.query('COMMIT')
          }),
        ),
      )
      await expect.poll(() => ready(app), { timeout: 10_000 }).toMatchObject(notReady)
      for (const ask of [client.fail(READ), client.fail(SAVE, { input: { userId: 'ada', itemId: '2' } })]) {
        expect(await ask).toMatchObject({
          code: 'SERVICE_UNAVAILABLE',
          message: expect.stringContaining('it is a standby') as string,
        })
      }
      await sleep(1_500)
      port = primary.port
      proxy.cut()
      await writing
      await expect.poll(() => watch.told.length, { timeout: 10_000 }).toBe(61)
      expect(watch.told.slice(1).map(({ lastItemId }) => lastItemId)).toEqual(expect.arrayContaining(ids))
      await expect.poll(() => ready(app), { timeout: 10_000 }).toMatchObject({ status: 200 })
      expect(await mutate(client, 'saveCheckpoint', { userId: 'ada', itemId: '3' })).toMatchObject({ created: true })
    } finally {
      await app.close()
    }
  })

  it('that the server’s own database was turned into is the same, until it is promoted', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    const app = await startOn(primary.url)
    const client = clientOf(app.url)
    const save = () => client.send(SAVE, { input: { userId: 'bob', itemId: '1' } })
    try {
      await mutate(client, 'registerUser', { userId: 'bob' })
      using watch = watchLive(app.url, 'checkpointChanged', { filter: { userId: 'bob' } })
      await primary.stop()
      await primary.demote()
      await primary.start()
      await expect.poll(() => ready(app), { timeout: 10_000 }).toMatchObject(notReady)
      expect((await save()).errors?.[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE')
      await primary.promote()
      await expect.poll(async () => (await save()).errors, { timeout: 10_000 }).toBeUndefined()
      await expect.poll(() => watch.told.map(({ lastItemId }) => lastItemId), { timeout: 10_000 }).toContain('1')
      await expect.poll(() => ready(app), { timeout: 5_000 }).toMatchObject({ status: 200 })
    } finally {
      await app.close()
    }
  })
})
