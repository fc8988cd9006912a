import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openConnection } from '../../../src/database/connection/connection.ts'
import { NoHostError } from '../../../src/database/connection/host-search.ts'
import { findFreePort } from '../../support/free-port.ts'
import {
  NO_REPLICATION,
  replicationBinaries,
  type ReplicatedPostgres,
  type Replication,
  startReplication,
} from '../../support/replicated-postgres.ts'
import { runCommand } from '../../support/server-process.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'

const SAVE = `mutation ($itemId: String!) { saveCheckpoint(input: { userId: "ada", itemId: $itemId }) { __typename } }`
const SAVED = { saveCheckpoint: { __typename: 'SaveCheckpointSuccess' } }

describe('DATABASE_URL with several hosts', { timeout: 120_000 }, () => {
  let replication: Replication | undefined
  let primary: ReplicatedPostgres
  let standby: ReplicatedPostgres
  /** A machine that takes connections and never says a word. */
  let silent: Server | undefined
  let silentPort: number
  let closedPort: number

  beforeAll(async () => {
    if (replicationBinaries === undefined) return
    replication = await startReplication(replicationBinaries)
    primary = await replication.createPrimary()
    standby = await replication.createStandby(primary, 'standby')
    silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    silentPort = (silent.address() as { port: number }).port
    closedPort = await findFreePort()
  }, 120_000)
  afterAll(async () => {
    await replication?.[Symbol.asyncDispose]()
    silent?.close()
  })

  const urlOf = (ports: readonly number[], query = '') =>
    `postgresql://postgres@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/postgres${query}`

  async function portOf(url: string): Promise<number | undefined> {
    const client = await openConnection({ url, applicationName: 'test', connectTimeoutMs: 4_000 })
    try {
      const { rows } = await client.query<{ port: number }>('SELECT inet_server_port() AS port')
      return rows[0]?.port
    } finally {
      await client.end()
    }
  }

  it('finds the one that takes writes, wherever it stands, past standbys and hosts that refuse or keep silent', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    const orders = [
      [primary.port, standby.port],
      [standby.port, primary.port],
      [closedPort, standby.port, primary.port],
      [silentPort, primary.port],
      [silentPort, standby.port, closedPort, primary.port, silentPort],
    ]
    for (const order of orders) {
      for (const query of ['', '?target_session_attrs=read-write', '?target_session_attrs=primary']) {
        expect(await portOf(urlOf(order, query)), `${order.join()} ${query}`).toBe(primary.port)
      }
    }
    expect(await portOf(urlOf([standby.port, primary.port], '?target_session_attrs=any'))).toBe(standby.port)
    expect(await portOf(urlOf([closedPort, standby.port], '?target_session_attrs=any'))).toBe(standby.port)
    expect(
      await portOf(`postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.1&port=${standby.port},${primary.port}`),
    ).toBe(primary.port)
  })

  it('names each host and its reason where none takes writes', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    const url = urlOf([standby.port, closedPort, silentPort])
    const refusal = await openConnection({ url, applicationName: 'test', connectTimeoutMs: 1_000 }).catch(
      (error: unknown) => error,
    )
    expect(refusal).toBeInstanceOf(NoHostError)
    expect((refusal as Error).message).toBe(
      `No host takes connections for writing: 127.0.0.1:${standby.port} takes no writes (a standby, or read-only); ` +
        `127.0.0.1:${closedPort} connect ECONNREFUSED 127.0.0.1:${closedPort}; 127.0.0.1:${silentPort} did not answer in time`,
    )
    const { code, stderr } = await runCommand(
      ['migrate'],
      { DATABASE_URL: urlOf([standby.port, closedPort]) },
      { cwd: '/' },
    )
    expect({ code, lines: stderr.split('\n').length }).toEqual({ code: 2, lines: 2 })
    expect(stderr).toMatch(
      /^waymark: Cannot connect to PostgreSQL \(database postgres, role postgres\): No host takes connections for writing: /,
    )
  })

  it('asks a single host too where the URL says what it must be', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    expect(await portOf(urlOf([standby.port]))).toBe(standby.port)
    for (const target of ['read-write', 'primary']) {
      await expect(portOf(urlOf([standby.port], `?target_session_attrs=${target}`))).rejects.toThrow(/^No host takes/)
      expect(await portOf(urlOf([primary.port], `?target_session_attrs=${target}`))).toBe(primary.port)
    }
  })

  it('lets a read-only primary pass as primary, and not as read-write', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    await primary.query('ALTER ROLE postgres SET default_transaction_read_only = on')
    try {
      expect(await portOf(urlOf([primary.port, standby.port], '?target_session_attrs=primary'))).toBe(primary.port)
      await expect(portOf(urlOf([primary.port, standby.port]))).rejects.toThrow(/^No host takes/)
    } finally {
      await primary.query('BEGIN READ WRITE; ALTER ROLE postgres RESET default_transaction_read_only; COMMIT')
    }
  })

  // The last one: it leaves the primary dead.
  it('lets a server go on by itself after the primary was killed and the standby promoted', async (context) => {
    if (!replication) context.skip(NO_REPLICATION)
    const url = urlOf([primary.port, standby.port], '?target_session_attrs=read-write')
    const app = await startOn(url)
    try {
      const client = clientOf(app.url)
      await mutate(client, 'registerUser', { userId: 'ada' })
      expect((await client.send(SAVE, { itemId: '1' })).data).toEqual(SAVED)
      const replayed = async () => (await standby.query('SELECT last_tweet_id AS id FROM crawler.crawl_checkpoint'))[0]
      await expect.poll(replayed, { timeout: 10_000 }).toEqual({ id: '1' })

      await primary.stop('kill')
      expect((await client.send(SAVE, { itemId: '2' })).errors?.[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE')
      expect((await fetch(new URL('/ready', app.url))).status).toBe(503)
      await standby.promote()
      await expect.poll(async () => (await client.send(SAVE, { itemId: '3' })).data, { timeout: 10_000 }).toEqual(SAVED)
      expect(await standby.query('SELECT last_tweet_id AS id FROM crawler.crawl_checkpoint')).toEqual([{ id: '3' }])
      await expect.poll(async () => (await fetch(new URL('/ready', app.url))).status, { timeout: 10_000 }).toBe(200)
      // LISTEN and Prisma's reads are there as well.
      const listening = `SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN %'`
      await expect.poll(async () => (await standby.query(listening)).length, { timeout: 10_000 }).toBe(1)
      expect(await client.ask('{ users(first: 1) { nodes { userId } } }')).toEqual({
        users: { nodes: [{ userId: 'ada' }] },
      })
    } finally {
      await app.close()
    }
    const { code, stdout } = await runCommand(['verify'], { DATABASE_URL: url }, { cwd: '/' })
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'the schema is as it should be\n' })
  })
})
