import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { rounds } from '../../faults/rounds.ts'
import {
  anyOperation,
  CONFIGURED_STREAM,
  type Operation,
  OPERATIONS,
  OUR_SESSIONS,
  OURS,
  OURS_UNKNOWN,
  THEIR_NAMED_SESSION,
  THEIR_SESSIONS,
  THEIR_STREAM,
  THEIRS,
} from './operations.ts'
import { createWorld, principalOf, type World } from './worlds.ts'

/** Some 70 for each root field, thrice as many of node, nodes and rollbackCheckpoint. They are drawn anew each time. */
const RUNS = Number(process.env['ACCESS_RUNS'] ?? rounds(10_000, 2_500))
const bound = principalOf('key:ours', ['read', 'crawl', 'operate'], [...OURS, OURS_UNKNOWN])

/** What differs between two runs of the same, and between two servers. */
function normalise(answer: unknown): string {
  const known = new Set([...OUR_SESSIONS, ...THEIR_SESSIONS])
  return JSON.stringify(answer)
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => (known.has(id) ? id : '<made>'))
}

describe('a caller bound to some users', () => {
  /** With others' users, and without: whatever a bound caller asks, it is answered the same. */
  let full: World
  let lonely: World
  beforeAll(async () => {
    ;[full, lonely] = await Promise.all([createWorld(), createWorld()])
    await Promise.all([full, lonely].map((world) => addData(world, OURS, OUR_SESSIONS.slice(0, 2), 'reddit/saved')))
    await addData(full, THEIRS, THEIR_SESSIONS, THEIR_STREAM)
    // No foreign key keeps a row of ours from naming somebody else's session: what it leads to is as if it were not there.
    for (const { database } of [full, lonely]) {
      await database.query('UPDATE crawler.crawl_session SET resumed_from = $1', [THEIR_SESSIONS[0]])
      await database.query('UPDATE crawler.checkpoint_revision SET session_id = $1 WHERE user_id = $2', [
        ...[THEIR_SESSIONS[1], OURS[0]],
      ])
    }
    await full.database.query(`INSERT INTO crawler.stream_setting VALUES ('${CONFIGURED_STREAM}', 'ascending')`)
    await full.database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id, started_at) VALUES ('${THEIR_NAMED_SESSION}', 'canary-1', now())`,
    )
  }, 60_000)
  afterAll(async () => {
    await full[Symbol.asyncDispose]()
    await lonely[Symbol.asyncDispose]()
  })

  it('is asked about every root field there is', () => {
    const asked = new Set(OPERATIONS.flatMap((operation) => fc.sample(operation, 1).map(({ field }) => field)))
    const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
      Object.keys(type?.getFields() ?? {}),
    )
    expect([...asked].sort()).toEqual(fields.sort())
    // Held by session-feed.test.ts and transports.test.ts beside this one.
    expect(Object.keys(schema.getSubscriptionType()?.getFields() ?? {}).sort()).toEqual([
      'checkpointChanged',
      'sessionStatusChanged',
    ])
  })

  it(`is answered as if there were no others, by the same statements: ${RUNS} operations, 0 leaks`, async () => {
    let told = 0
    await fc.assert(
      fc.asyncProperty(anyOperation, async (operation: Operation) => {
        if ((told += 1) % 50 === 0) await live(full, told)
        // How often each is sent is a matter of what meets in a set (database/shared-reads.ts).
        const [there, here] = await Promise.all(
          [full, lonely].map(async (world) => {
            world.statementsSent()
            const answer = await world.ask(bound, operation.query, operation.variables)
            return { answer: normalise(answer), statements: world.statementsSent() }
          }),
        )
        expect(there).toEqual(here)
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
    expect(told).toBe(RUNS)
  }, 600_000)

  it('has changed nothing of the others', async () => {
    const { data } = await full.ask(localOperator, `{ sessions(first: 100) { nodes { userId worker commits } } }`)
    const { nodes } = data?.['sessions'] as { nodes: { userId: string; worker: string | null }[] }
    expect(nodes.filter(({ userId }) => userId.startsWith('canary')).length).toBe(4)
    const touched = await full.database.query(
      `SELECT FROM crawler.checkpoint_revision WHERE actor = 'key:ours' AND user_id LIKE 'canary%'`,
    )
    expect(touched).toEqual([])
  })

  it('cannot have a session ID that another user has, and learns nothing of that session', async () => {
    const start = (sessionId: string) =>
      full.ask(
        bound,
        `mutation ($input: StartSessionInput!) { startSession(input: $input) { __typename ... on InvalidInputError { issues { path message } } } }`,
        { input: { userId: 'ours-2', stream: 'reddit/upvoted', sessionId } },
      )
    expect(JSON.stringify(await start(THEIR_SESSIONS[0] ?? ''))).toContain('is taken: choose another')
    expect(JSON.stringify(await start(THEIR_NAMED_SESSION))).toContain('must be a UUID')
    expect(JSON.stringify(await start('not-there'))).toContain('must be a UUID')
  })
})

async function addData(world: World, users: readonly string[], sessions: readonly string[], stream: string) {
  const run = async (query: string, input: Record<string, unknown>) => {
    const { data, errors } = await world.ask(localOperator, query, { input })
    if (errors) throw new Error(JSON.stringify(errors))
    return data
  }
  for (const [place, userId] of users.entries()) {
    await run('mutation ($input: RegisterUserInput!) { registerUser(input: $input) { __typename } }', { userId })
    for (const of of ['twitter/bookmarks', stream]) {
      await save(world, userId, of, '20')
    }
    const sessionId = sessions[place]
    if (sessionId === undefined) continue
    await run('mutation ($input: StartSessionInput!) { startSession(input: $input) { __typename } }', {
      ...{ userId, sessionId, stream, leaseSeconds: 3_600, worker: `worker of ${userId}`, idempotencyKey: 'start-1' },
    })
    if (place === 1) {
      await run('mutation ($input: CompleteSessionInput!) { completeSession(input: $input) { __typename } }', {
        sessionId,
      })
    }
  }
}

async function save(world: World, userId: string, stream: string, itemId: string): Promise<void> {
  const query = 'mutation ($input: SaveCheckpointInput!) { saveCheckpoint(input: $input) { __typename } }'
  const input = {
    userId,
    stream,
    itemId,
    pageToken: `token of ${userId}`,
    bookmarksAdded: 7,
    idempotencyKey: `${userId}-${itemId}`,
  }
  await world.ask(localOperator, query, { input })
}

/** Others work on meanwhile. */
async function live(world: World, n: number): Promise<void> {
  const userId = THEIRS[n % THEIRS.length] ?? ''
  await save(world, userId, 'twitter/bookmarks', String(1_000 + n))
}
