import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createKey } from '../../../src/access/keys.ts'
import { type App, startApp } from '../../../src/app.ts'
import { readConfig } from '../../../src/config.ts'
import { openDatabase } from '../../../src/database/database.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { createTestDatabase, type TestDatabase, withClient } from '../../support/database.ts'
import { transports } from './transports.ts'

/** What must be found nowhere: as a user, an item, a token, an error message, a header, an alias, a literal, a wrong value. */
const CANARY = 'canary7f3a'

let database: TestDatabase
let app: App
let key: string
let log = ''

beforeAll(async () => {
  database = await createTestDatabase()
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString()
      done()
    },
  })
  const settings = { PORT: '0', METRICS_PORT: '0', DATABASE_URL: database.url, AUTHENTICATION: 'keys', DEBUG: '1' }
  app = await startApp(readConfig(settings), pino({ level: 'trace' }, sink))
  const timeouts = { connectTimeoutMs: 4_000, statementTimeoutMs: 30_000 }
  const pool = openDatabase({ url: database.url, poolSize: 2, ...timeouts, log: pino({ level: 'silent' }) })
  const created = await createKey(
    pool,
    localOperator,
    { client: 'crawler', scopes: ['read', 'crawl', 'operate'], userIds: undefined, expiresAt: undefined },
    new Date(),
  )
  if (created instanceof Error) throw created
  key = created.text
  await pool.close()
})
afterAll(async () => {
  await app.close()
  await database[Symbol.asyncDispose]()
})

const SAVE = `mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }`
const asked: [string, Record<string, unknown>?][] = [
  [
    'mutation ($input: RegisterUserInput!) { registerUser(input: $input) { __typename } }',
    { input: { userId: CANARY } },
  ],
  [SAVE, { input: { userId: CANARY, itemId: '20', pageToken: CANARY, idempotencyKey: CANARY } }],
  [SAVE, { input: { userId: CANARY, itemId: CANARY } }],
  [SAVE, { input: { userId: CANARY, itemId: { [CANARY]: CANARY } } }],
  [SAVE, { input: { userId: CANARY, itemId: '20', bookmarksCount: CANARY } }],
  ['subscription ($after: String) { sessionStatusChanged(after: $after) { cursor } }', { after: [CANARY] }],
  [SAVE, { input: { userId: `${CANARY}-nobody`, itemId: '20' } }],
  [`{ ${CANARY}: user(userId: "${CANARY}") { id } }`],
  [`{ user(userId: "${CANARY}") { ${CANARY} } }`],
  [`{ checkpoints(after: "${CANARY}") { totalCount } }`],
  [`{ node(id: "${CANARY}") { id } }`],
  ['query ($a: String) { checkpoints(after: $a) { totalCount } }', { a: CANARY }],
  ['query ($a: String) { sessions(after: $a, filter: { userId: $a }) { totalCount } }', { a: CANARY }],
  ['query ($a: ID!) { node(id: $a) { id } }', { a: CANARY }],
  ['query ($a: String!) { checkpoint(userId: $a, stream: $a) { id } }', { a: CANARY }],
  ['query ($a: String!) { user(userId: $a) { id } }', { a: `${CANARY}\u0000` }],
  ['subscription ($a: String) { sessionStatusChanged(after: $a) { cursor } }', { a: CANARY }],
  [`{ user(userId: "${CANARY}`],
]

it('secrets and variables reach no log, also at its most talkative, no error and no metric; and keys no answer', async () => {
  const authorization = `Bearer ${key}`
  const wrong = `Bearer ${key.slice(0, -10)}${CANARY.slice(0, 10)}`
  let answers = ''
  /** What the server tells of its own troubles and of variables, and not of documents that its caller has just sent. */
  const faults: unknown[] = []
  const ask = async (transport: (typeof transports)['HTTP'], ...[query, variables]: (typeof asked)[number]) => {
    const told = await transport(app.url, query, variables, { authorization })
    answers += JSON.stringify(told)
    // Of a document a mistake is quoted, of variables never.
    faults.push(...(told.errors ?? []).filter(({ extensions }) => variables ?? extensions['code'] !== 'BAD_USER_INPUT'))
  }
  for (const transport of Object.values(transports)) for (const one of asked) await ask(transport, ...one)
  // An error of the database, whose detail has the row: the tables are locked, and then one is not what it was.
  await withClient(database.url, async (client) => {
    await client.query('BEGIN; LOCK TABLE crawler.crawl_checkpoint IN ACCESS EXCLUSIVE MODE')
    await ask(transports.HTTP, SAVE, { input: { userId: CANARY, itemId: '21' } })
    await client.query(`ALTER TABLE crawler.crawl_checkpoint ADD CHECK (last_tweet_id <> '22'); COMMIT`)
  })
  await ask(transports.HTTP, SAVE, { input: { userId: CANARY, itemId: '22', pageToken: CANARY } })
  const shown: Record<string, string>[] = [
    { authorization: wrong },
    { authorization, cookie: CANARY, 'x-canary': CANARY },
  ]
  for (const headers of shown) {
    const response = await fetch(`${app.url}?token=${CANARY}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query: '{ viewer { subject } }' }),
    })
    answers += await response.text()
  }
  await fetch(app.url, { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: CANARY })
  const metrics = await (await fetch(app.metricsUrl ?? '')).text()

  // Else it would find nothing because nothing is there.
  expect(log).toContain('"rootFields":["saveCheckpoint"]')
  expect(log).toContain('INTERNAL_SERVER_ERROR')
  expect(metrics).toContain('saveCheckpoint')
  expect(answers).toContain('SaveCheckpointSuccess')
  const secret = key.slice(key.lastIndexOf('_') + 1)
  expect(JSON.stringify(faults)).toMatch(/(SERVICE_UNAVAILABLE|OVERLOADED).*INTERNAL_SERVER_ERROR/)
  expect(JSON.stringify(faults)).not.toContain(CANARY)
  expect(log).not.toContain(CANARY)
  expect(metrics).not.toContain(CANARY)
  for (const text of [log, metrics, answers]) expect(text).not.toContain(secret.slice(0, 20))
  expect(log).not.toContain(`:${new URL(database.url).password || 'no password to leak'}@`)
})
