import { randomInt } from 'node:crypto'
import { Agent, request } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { getOperationAST, parse } from 'graphql'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import { encodeNodeId } from '../../../src/graphql/node-id.ts'
import { schema } from '../../../src/api/schema.ts'
import { isCompilable } from '../../../src/operations/compiled/compilable.ts'
import { RUNS_BEFORE } from '../../../src/operations/compiled/compiled-execution.ts'
import { seededRandom } from '../../support/crawl-random.ts'
import { createDatabase, createTestDatabase, dropDatabase, urlOfDatabase } from '../../support/database.ts'
import { clientOf, mutate, startOn } from '../../support/waymark.ts'
import { randomOperation, type RandomOperation, type Variables } from './random-operations.ts'
import type { Texts } from './random-values.ts'

/** Runs the operations of a failure again: the seed that it prints. */
const SEED = Number(process.env['SAME_ANSWERS_SEED'] ?? randomInt(2 ** 31))
const QUERIES = Number(process.env['SAME_ANSWERS_QUERIES'] ?? 1_250)
const MUTATIONS = Number(process.env['SAME_ANSWERS_MUTATIONS'] ?? 260)
const RUNS = 6
const AT_ONCE = 6
const NOW = '2026-11-30T12:00:00Z'

const agent = new Agent({ keepAlive: true, maxSockets: 64 })
/** What has to be closed, the last first. */
const closing: (() => unknown)[] = [() => agent.destroy()]
/** Two servers, each with a database of its own that begins as the other's. */
let urls: readonly [string, string]

beforeAll(async () => {
  // Thousands of answers are errors, whose stacks nobody reads.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  closing.push(() => (Error.stackTraceLimit = stackTraceLimit))
  // Time stands still, and nothing is done at intervals: what is told of a running session depends on it.
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: new Date(NOW) })
  closing.push(() => vi.useRealTimers())
  const database = await createTestDatabase()
  closing.push(() => database[Symbol.asyncDispose]())
  await database.query(`CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT timestamptz '${NOW}' $$;
    -- Two databases write a checkpoint at two times, also one that is made after a clear.
    ALTER TABLE crawler.crawl_checkpoint ALTER created_at SET DEFAULT '${NOW}', ALTER updated_at SET DEFAULT '${NOW}';
    CREATE OR REPLACE FUNCTION crawler.set_updated_at() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN NEW.updated_at := '${NOW}'; RETURN NEW; END $$`)
  const filling = await startOn(database.url)
  await fill(filling.url)
  await filling.close()
  await database.query(
    `UPDATE crawler.crawl_session SET started_at = '${NOW}'::timestamptz - hashtext(session_id) % 9 * interval '1 day'`,
  )
  const twin = `${database.name}_twin`
  await createDatabase(inject('serverUrl'), twin, database.name)
  closing.push(() => dropDatabase(inject('serverUrl'), twin))
  const servers = await Promise.all(
    [database.url, urlOfDatabase(inject('serverUrl'), twin)].map((url) =>
      startOn(url, {}, { pruneEachMs: 86_400_000 }),
    ),
  )
  closing.push(() => Promise.all(servers.map((server) => server.close())))
  const [one, other] = servers.map(({ url }) => url)
  if (one === undefined || other === undefined) throw new Error('two were started')
  urls = [one, other]
})
afterAll(async () => {
  for (const close of closing.reverse()) await close()
})

const USERS = ['alice', 'bob', 'zoe']
const STREAMS = ['twitter/bookmarks', 'reddit/saved', 'mastodon/bookmarks']
const SESSIONS = USERS.flatMap((user) => STREAMS.map((stream) => `${user}-${stream.slice(0, 3)}`))

async function fill(url: string): Promise<void> {
  const client = clientOf(url)
  for (const userId of USERS.slice(0, 2)) {
    await mutate(client, 'registerUser', { userId })
    for (const [place, stream] of STREAMS.entries()) {
      const sessionId = `${userId}-${stream.slice(0, 3)}`
      await mutate(client, 'startSession', { userId, stream, sessionId })
      for (const item of [1, 2]) {
        await mutate(client, 'saveCheckpoint', {
          userId,
          stream,
          sessionId,
          itemId: `${place}${item}00`,
          bookmarksAdded: item,
        })
      }
      if (place === 0) await mutate(client, 'failSession', { sessionId, errorMessage: 'HTTP 401' })
      if (place === 1) await mutate(client, 'completeSession', { sessionId })
    }
  }
}

const NODES = [
  ...USERS.map((userId) => encodeNodeId('User', userId)),
  ...SESSIONS.map((sessionId) => encodeNodeId('CrawlSession', sessionId)),
  encodeNodeId('Checkpoint', JSON.stringify(['alice', STREAMS[0]])),
  encodeNodeId('Stream', STREAMS[1] ?? ''),
  'no id',
]
const TEXTS: Texts = {
  userId: USERS,
  stream: STREAMS,
  sessionId: SESSIONS,
  id: NODES,
  ids: NODES,
  itemId: ['100', '250', '900', 'x'],
  headItemIds: ['900', '800'],
  after: ['no cursor'],
  before: ['no cursor'],
  errorMessage: ['HTTP 429'],
  idempotencyKey: ['k1', 'k2'],
}

interface Answer {
  readonly status: number | undefined
  readonly body: string
}

function send(url: string, { operationName }: RandomOperation, query: string, variables: Variables): Promise<Answer> {
  const body = JSON.stringify({ query, operationName, variables })
  return new Promise((resolve, reject) => {
    const sending = request(url, {
      agent,
      method: 'POST',
      headers: {
        accept: 'application/graphql-response+json',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        // Errors tell it.
        'x-request-id': 'same',
      },
    })
    sending.on('error', reject).on('response', (response) => {
      textOf(response).then((answer) => {
        resolve({ status: response.statusCode, body: withoutRandomIds(answer) })
      }, reject)
    })
    sending.end(body)
  })
}

/** Sends a query until the server had time for it: on a busy machine a field may be refused with OVERLOADED. */
async function sendUntilServed(url: string, operation: RandomOperation, query: string, variables: Variables) {
  const untilMs = performance.now() + 60_000
  for (;;) {
    const answer = await send(url, operation, query, variables)
    if (!answer.body.includes('"code":"OVERLOADED"') || performance.now() > untilMs) return answer
  }
}

/** Sessions that were started without an ID have a random one, which is in their `id` too. */
function withoutRandomIds(body: string): string {
  return body
    .replace(/"(Q3Jhd2xTZXNzaW9u[^"]*)"/g, (_, id: string) => JSON.stringify(Buffer.from(id, 'base64').toString()))
    .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'random')
}

/** Byte for byte; only where there are no data there may be more errors or fewer. */
function isSame(one: Answer, other: Answer): boolean {
  if (one.status !== other.status) return false
  if (one.body === other.body) return true
  const [left, right] = [one, other].map(({ body }) => JSON.parse(body) as { data?: unknown; errors?: unknown[] })
  if (left?.data !== null || right?.data !== null) return false
  const [fewer = [], more = []] = [left.errors, right.errors]
    .map((errors = []) => errors.map((error) => JSON.stringify(error)))
    .sort((a, b) => a.length - b.length)
  return fewer.every((error) => more.includes(error))
}

interface Difference {
  readonly run: string
  readonly text: string
  readonly variables: string
  readonly right: string
  readonly came: string
}

/**
 * Sends an operation to `again` eight times. Its right answers come from `seldom`, where its text has a comment at the end that is another
 * one after so many runs as nothing is compiled before: errors are in the same places.
 */
async function compare(operation: RandomOperation, seldom: string, again: string): Promise<Difference | undefined> {
  const [first, ...others] = operation.variables
  // A mutation is sent once: its other fields were run. Mutations are sent in turn, so that none has to wait.
  const ask = seldom === again ? sendUntilServed : send
  const runs = [...Array.from({ length: RUNS }, () => first), ...others]
  let right: Answer | undefined
  let asked = 0
  for (const [place, variables] of runs.entries()) {
    // A query's answer stays the same. Mutations change what comes after them, so that both databases need all of them.
    if (right === undefined || seldom !== again || variables !== first) {
      const comment = `\n# ${Math.floor(asked / RUNS_BEFORE)}`
      right = await ask(seldom, operation, operation.text + comment, variables)
      asked += 1
    }
    const came = await ask(again, operation, operation.text, variables)
    if (!isSame(right, came)) {
      return {
        run: `run ${place + 1}, operationName ${operation.operationName}`,
        text: operation.text,
        variables: JSON.stringify(variables),
        right: `${right.status} ${right.body.slice(0, 2_000)}`,
        came: `${came.status} ${came.body.slice(0, 2_000)}`,
      }
    }
  }
  return undefined
}

const isCompiled = ({ text, operationName }: RandomOperation) => {
  const document = parse(text)
  const operation = getOperationAST(document, operationName)
  return operation != null && isCompilable(document, operation)
}

it(
  `answers ${QUERIES} random queries the same each time (SAME_ANSWERS_SEED=${SEED})`,
  { timeout: 300_000 },
  async () => {
    const random = seededRandom(SEED)
    const operations = Array.from({ length: QUERIES }, () =>
      randomOperation(random, { schema, kind: 'query', texts: TEXTS }),
    )
    // Else nothing is compared with anything else.
    expect(operations.filter(isCompiled).length).toBeGreaterThan(QUERIES / 4)
    const waiting = [...operations]
    const differences: Difference[] = []
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let operation = waiting.pop(); operation; operation = waiting.pop()) {
          const difference = await compare(operation, urls[0], urls[0])
          if (difference) differences.push(difference)
        }
      }),
    )
    expect(differences.slice(0, 3), `${differences.length} differences`).toEqual([])
  },
)

it(
  `answers ${MUTATIONS} random mutations the same each time (SAME_ANSWERS_SEED=${SEED})`,
  { timeout: 300_000 },
  async () => {
    const random = seededRandom(SEED + 1)
    const operations = Array.from({ length: MUTATIONS }, () =>
      // Cursors of feeds name transactions of the cluster.
      randomOperation(random, { schema, kind: 'mutation', texts: TEXTS, without: ['feedCursor'] }),
    )
    expect(operations.filter(isCompiled).length).toBeGreaterThan(MUTATIONS / 4)
    const differences: Difference[] = []
    for (const operation of operations) {
      const difference = await compare(operation, urls[1], urls[0])
      if (difference) differences.push(difference)
    }
    expect(differences.slice(0, 3), `${differences.length} differences`).toEqual([])
  },
)
