import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase, withClient } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { clientOf, mutate } from '../support/waymark.ts'
import { rounds, tell } from './rounds.ts'

const CUTS = rounds(200, 10)
const SAVE = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename ... on UserError { message }
  ... on SaveCheckpointSuccess { created checkpoint { version lastItemId bookmarksCount } session { sessionId commits } } } }`

/** ReadyForQuery, idle: PostgreSQL sends it after COMMIT. */
const COMMITTED = Buffer.from('Z\0\0\0\x05I', 'latin1')

interface Ways {
  database: TestDatabase
  server: ServerProcess
  toDatabase: TcpProxy
  toServer: TcpProxy
}

describe('an answer that is lost between COMMIT and whoever waits for it', () => {
  let ways: Ways
  beforeAll(async () => {
    const database = await createTestDatabase()
    const behind = new URL(database.url)
    const toDatabase = await startTcpProxy(Number(behind.port || 5432))
    behind.hostname = '127.0.0.1'
    behind.port = String(toDatabase.port)
    const server = await startServer({ DATABASE_URL: behind.toString(), LOG_LEVEL: 'error' })
    const toServer = await startTcpProxy(Number(new URL(server.url).port))
    ways = { database, server, toDatabase, toServer }
    await mutate(clientOf(server.url), 'registerUser', { userId: 'alice' })
  })
  afterAll(async () => {
    await ways.server[Symbol.asyncDispose]()
    await ways.toServer[Symbol.asyncDispose]()
    await ways.toDatabase[Symbol.asyncDispose]()
    await ways.database[Symbol.asyncDispose]()
  })

  it.each<[string, string, (itemId: string) => Promise<unknown>]>([
    [
      'server and database',
      'reddit/saved',
      (itemId) =>
        ways.toDatabase.loseAnswer(
          (sent) => sent.includes('save_checkpoints') && sent.includes(itemId),
          (held) => held.subarray(-COMMITTED.length).equals(COMMITTED),
        ),
    ],
    [
      'client and server',
      'twitter/bookmarks',
      (itemId) =>
        ways.toServer.loseAnswer(
          (sent) => sent.includes(itemId),
          (held) => held.includes('"saveCheckpoint"'),
        ),
    ],
  ])(
    `is given again under the same idempotencyKey, and nothing is written twice: between %s, cut ${CUTS} times`,
    { timeout: 120_000 },
    async (where, stream, loseAnswer) => {
      const { session } = await mutate(clientOf(ways.server.url), 'startSession', { userId: 'alice', stream })
      for (let cut = 1; cut <= CUTS; cut += 1) {
        const itemId = stream === 'reddit/saved' ? `t3_${(cut + 1_000_000).toString(36)}` : String(1_000_000 + cut)
        const input = {
          userId: 'alice',
          stream,
          itemId,
          bookmarksAdded: 1,
          sessionId: session.sessionId as string,
          idempotencyKey: randomUUID(),
        }
        const lost = loseAnswer(itemId)
        const first = await save(input).catch((error: unknown) => error)
        if (where === 'server and database') {
          expect(first).toMatchObject({ status: 503, errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }] })
        } else {
          expect(first).toMatchObject({ code: 'ECONNRESET' })
        }
        await lost
        const saved = {
          __typename: 'SaveCheckpointSuccess',
          created: cut === 1,
          checkpoint: { version: cut, lastItemId: itemId, bookmarksCount: cut },
          session: { sessionId: session.sessionId as string, commits: cut },
        }
        for (let retry = 0; retry < 2; retry += 1) {
          expect(await save(input), `cut ${cut}`).toEqual({ status: 200, data: { saveCheckpoint: saved } })
        }
      }
      expect(await revisionsOf(stream)).toBe(CUTS)
      tell(
        `fault 4: the link between ${where} cut ${CUTS} times after COMMIT: ${CUTS} effects, each first answer again`,
      )
    },
  )

  /** By the way of the proxy; to the server it looks as if it were asked for by its own address, which fetch can't do. */
  async function save(input: Record<string, unknown>) {
    const { host } = new URL(ways.server.url)
    const headers = { 'content-type': 'application/json', host }
    const asked = request({ host: '127.0.0.1', port: ways.toServer.port, path: '/graphql', method: 'POST', headers })
    asked.end(JSON.stringify({ query: SAVE, variables: { input } }))
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return { status: response.statusCode, ...((await json(response)) as object) }
  }

  function revisionsOf(stream: string): Promise<number | null> {
    return withClient(ways.database.url, async (client) => {
      const { rowCount } = await client.query('SELECT FROM crawler.checkpoint_revision WHERE stream = $1', [stream])
      return rowCount
    })
  }
})
