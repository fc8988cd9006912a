import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type App, startApp } from '../../../src/app.ts'
import { readConfig } from '../../../src/config.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { clientOf, mutate } from '../../support/waymark.ts'

/** A defect of the server or of its schema, as it really comes: a column that every statement names has another name. */
describe.each(['0', '1'])('an error of the database that nobody foresaw, with DEBUG=%s', (DEBUG) => {
  let database: TestDatabase
  let app: App
  const lines: Record<string, unknown>[] = []

  beforeAll(async () => {
    database = await createTestDatabase()
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
        done()
      },
    })
    app = await startApp(readConfig({ PORT: '0', DATABASE_URL: database.url, DEBUG }), pino({ level: 'debug' }, sink))
    const client = clientOf(app.url)
    await mutate(client, 'registerUser', { userId: 'canary' })
    await mutate(client, 'saveCheckpoint', { userId: 'canary', itemId: '20', bookmarksCount: 1 })
    await mutate(client, 'startSession', { userId: 'canary', sessionId: 'canary-session' })
    await database.query(`ALTER TABLE crawler.crawl_checkpoint RENAME last_tweet_id TO renamed;
      ALTER TABLE crawler.crawl_session RENAME started_at TO renamed;
      ALTER TABLE crawler.crawl_state RENAME user_id TO renamed;
      ALTER TABLE public."user" RENAME id TO renamed`)
  })
  afterAll(async () => {
    await app.close()
    await database[Symbol.asyncDispose]()
  })

  async function send(query: string) {
    const response = await fetch(app.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
    return { answer: await response.json(), requestId: response.headers.get('x-request-id') ?? '' }
  }

  it.each([
    ['checkpoint', '{ c: checkpoint(userId: "canary") { a: lastItemId } }'],
    ['checkpoints', '{ c: checkpoints(filter: { userId: "canary" }) { nodes { id } } }'],
    ['sessions', '{ c: sessions { nodes { id } } }'],
    ['user', '{ c: user(userId: "canary") { id } }'],
    ['node', `{ c: node(id: "${btoa('CrawlSession:canary-session')}") { id } }`],
    ['users', '{ c: users { nodes { id } } }'],
    ['registerUser', 'mutation { c: registerUser(input: { userId: "canary2" }) { __typename } }'],
    ['saveCheckpoint', 'mutation { c: saveCheckpoint(input: { userId: "canary", itemId: "21" }) { __typename } }'],
    ['clearCheckpoint', 'mutation { c: clearCheckpoint(input: { userId: "canary" }) { __typename } }'],
    ['startSession', 'mutation { c: startSession(input: { userId: "canary" }) { __typename } }'],
    [
      'heartbeat',
      'mutation { c: heartbeat(input: { sessionId: "canary-session", bookmarksProcessed: 1 }) { __typename } }',
    ],
    ['completeSession', 'mutation { c: completeSession(input: { sessionId: "canary-session" }) { __typename } }'],
  ])('of %s reaches the client as a request id, under which the log has it', async (_field, query) => {
    const { answer, requestId } = await send(query)
    expect(requestId).toMatch(/^[\w-]{8,}$/)
    // Every word of it: nothing of PostgreSQL, its driver, Prisma or a stack can be in it.
    expect(answer).toEqual({
      data: expect.toSatisfy((data) => data === null || JSON.stringify(data) === '{"c":null}'),
      errors: [
        {
          message: `Unexpected error. It was logged: when you report it, quote request id ${requestId}.`,
          locations: [{ line: 1, column: expect.any(Number) }],
          path: ['c'],
          extensions: { code: 'INTERNAL_SERVER_ERROR', requestId },
        },
      ],
    })
    const logged = lines.filter((line) => line['requestId'] === requestId && line['level'] === 50)
    expect(logged).toHaveLength(1)
    expect(JSON.stringify(logged)).toMatch(/renamed|does not exist|started_at|last_tweet_id/)
    expect(JSON.stringify(logged)).not.toContain('canary')
  })

  it('leaves nothing of a password in the log', () => {
    const { password } = new URL(database.url)
    expect(JSON.stringify(lines)).not.toContain(`:${password || 'no password to leak'}@`)
  })
})
