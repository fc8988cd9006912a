import { getNamedType, isInterfaceType, isObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { openStream } from '../events/sse.ts'
import { countStatements, isOfSubscriptions } from '../../support/statement-count.ts'
import { askTogether, type Operation } from '../../support/together.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const NEVER_MS = 3_600_000
const DAY_MS = 86_400_000
const WATCHERS = 8

/** 1 to 20 have crawled, three sessions each: complete-1, failed-1 and live-1. 21 to 30 have a live one. The others are only known. */
const userId = (n: number) => `user-${String(n).padStart(4, '0')}`
const STREAM = 'twitter/bookmarks'

const dayFromNow = (days: number) => `${new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10)}T00:00:00Z`
const nodeId = (name: string) => Buffer.from(name).toString('base64')
const CHECKPOINT_ID = nodeId(`Checkpoint:["user-0001","${STREAM}"]`)
const SESSION_ID = nodeId('CrawlSession:live-1')
const REVISION_ID = nodeId(`CheckpointRevision:["user-0001","${STREAM}",1]`)
const FOUR_TYPES = JSON.stringify([CHECKPOINT_ID, SESSION_ID, REVISION_ID, nodeId('User:user-0001')])

/** What an object tells of itself, which costs nothing more. */
const CHECKPOINT = 'id userId stream platform lastItemId bookmarksCount version epoch complete createdAt updatedAt'
const SESSION = 'id sessionId userId stream status startedAt bookmarksProcessed attempt commits epoch stalled'
const REVISION = 'id userId stream version source actor recordedAt'

/** By mutation, its success. */
const SAVED = `... on SaveCheckpointSuccess { created checkpoint { ${CHECKPOINT} user { userId } } }`
const SAVED_BY = `... on SaveCheckpointSuccess { checkpoint { ${CHECKPOINT} } session { ${SESSION} } }`
const STARTED = `... on StartSessionSuccess { session { ${SESSION} user { userId } } }`
const ENDED = `... on EndSessionSuccess { session { ${SESSION} user { userId } } }`
const ASKED = `... on RequestStopSuccess { session { ${SESSION} } }`
const ASKED_MANY = '... on RequestStopSessionsSuccess { matched requested }'
const CLEARED = '... on ClearCheckpointSuccess { cleared nodeId }'
const ROLLED_BACK = `... on RollbackCheckpointSuccess { checkpoint { ${CHECKPOINT} } revision { id } target { id } }`
const PAUSED = '... on PauseCrawlSuccess { pause { until reason pausedBy } }'
const CONFIGURED = '... on ConfigureStreamSuccess { stream { name ordering } }'
const MOVED = `... on MoveCheckpointSuccess { moved { previousNodeId checkpoint { ${CHECKPOINT} user { userId } } } }`
const IMPORTED = `... on ImportCheckpointSuccess { created checkpoint { ${CHECKPOINT} user { userId } } }`
const PRUNED = '... on PruneSessionsSuccess { count }'

const save = (n: number, itemId: number, more = '') =>
  `saveCheckpoint(input: { userId: "${userId(n)}", itemId: "${itemId}"${more} })`
const inputsFrom = (n: number, count: number) =>
  Array.from({ length: count }, (_, place) => ({ userId: userId(n + place), itemId: '20' }))
const THREE = (n: number) => JSON.stringify(inputsFrom(n, 3)).replaceAll(/"(userId|itemId)":/g, '$1:')
const start = (n: number) => `startSession(input: { userId: "${userId(n)}", sessionId: "new-${n}" })`
const FAILED = 'sessions(first: 20, filter: { status: FAILED })'
const KEY_101 = `userId: "user-0101", stream: "${STREAM}"`
const PAUSE = `userId: "user-0120", until: "${dayFromNow(1)}", reason: "tired"`
const MOVE_101 = `fromUserId: "user-0101", toUserId: "user-0150", stream: "${STREAM}"`
const MOVE_BACK = 'fromUserId: "user-0150", toUserId: "user-0101", allStreams: true'
const THREE_STATES = (n: number) =>
  `[${[0, 1, 2]
    .map(
      (place) => `{ userId: "${userId(n + place)}", stream: "x/imported", lastItemId: "20", bookmarksCount: 1,
        lastCrawledAt: "2026-01-01T00:00:00Z", headItemIds: [], anchorItemIds: ["20", "19"], complete: true }`,
    )
    .join()}]`
const SETTING = 'name: "reddit/saved", ordering: ASCENDING'
const OF_26 = 'filter: { userId: "user-0026" }, expectedMatched: 1'
const IN_SESSION = `, sessionId: "live-1"`

const DUE_LISTS = `stream: "${STREAM}", completedBefore: "${dayFromNow(1)}", first: 20`

/** So many statements and not one more, and so many rows inserted, updated and deleted by them. */
type Line = readonly [what: string, statements: number, written: number, selection: string]

const queries: readonly Line[] = [
  ['Query.viewer', 0, 0, 'viewer { subject scopes }'],
  ['Query.node', 1, 0, `node(id: "${CHECKPOINT_ID}") { id ... on Checkpoint { ${CHECKPOINT} } }`],
  ['Query.nodes, of four types', 4, 0, `nodes(ids: ${FOUR_TYPES}) { id }`],
  ['Query.user', 1, 0, 'user(userId: "user-0001") { id userId }'],
  ['Query.users', 1, 0, 'users(first: 20) { nodes { id userId } }'],
  ['Query.users, counted', 2, 0, 'users(first: 20) { totalCount nodes { id } }'],
  ['Query.checkpoint', 1, 0, `checkpoint(userId: "user-0001") { ${CHECKPOINT} }`],
  ['Query.checkpoints', 1, 0, `checkpoints(first: 20) { feedCursor nodes { ${CHECKPOINT} } }`],
  ['Query.checkpoints, counted', 2, 0, 'checkpoints(first: 20) { totalCount nodes { id } }'],
  ['Query.checkpointHistory', 1, 0, `checkpointHistory(userId: "user-0001") { nodes { ${REVISION} } }`],
  ['Query.checkpointHistory, counted', 2, 0, 'checkpointHistory(userId: "user-0001") { totalCount nodes { id } }'],
  ['Query.session', 1, 0, `session(sessionId: "live-1") { ${SESSION} }`],
  ['Query.session, with both', 2, 0, 'session(sessionId: "live-1") { user { id } checkpoint { id user { id } } }'],
  ['Query.sessions', 1, 0, `sessions(first: 20) { feedCursor nodes { ${SESSION} } }`],
  ['Query.sessions, counted', 2, 0, 'sessions(first: 20) { totalCount nodes { id } }'],
  ['Query.sessionStats', 1, 0, 'sessionStats { total running bookmarksProcessed }'],
  ['Query.resumePlan', 1, 0, 'resumePlan(userId: "user-0001") { mode reason previousSession { id } }'],
  ['Query.dueLists', 1, 0, `dueLists(${DUE_LISTS}) { nodes { userId stream } }`],
  ['Query.dueLists, with failures', 2, 0, `dueLists(${DUE_LISTS}) { nodes { userId failuresInARow } }`],
  ['Query.dueLists, counted', 2, 0, `dueLists(${DUE_LISTS}) { totalCount nodes { userId } }`],
  ['Query.searchUsers', 1, 0, 'searchUsers(prefix: "user-", first: 20) { nodes { id userId } }'],
  ['Query.searchUsers, counted', 2, 0, 'searchUsers(prefix: "user-") { totalCount nodes { id } }'],
  ['Query.crawlPause', 1, 0, 'crawlPause(userId: "user-0001") { until reason }'],
  ['Query.streams', 1, 0, 'streams { id name ordering }'],
  ['Query.activity', 1, 0, `activity(from: "${dayFromNow(-1)}", to: "${dayFromNow(1)}", bucket: DAY) { saves }`],
]

/** Of a list of up to twenty, which is a statement itself, or the same one: for all of them as many as for one. */
const relations: readonly Line[] = [
  ['User.checkpoint', 2, 0, `users(first: 20) { nodes { checkpoint { ${CHECKPOINT} } } }`],
  ['User.checkpoints', 1, 0, `users(first: 20) { nodes { checkpoints { ${CHECKPOINT} } } }`],
  ['User.sessions', 2, 0, `users(first: 20) { nodes { sessions(first: 3) { nodes { ${SESSION} } } } }`],
  ['User.sessions, counted', 3, 0, 'users(first: 20) { nodes { sessions { totalCount nodes { id } } } }'],
  ['Checkpoint.user', 1, 0, 'checkpoints(first: 20) { nodes { user { id } } }'],
  ['Checkpoint.liveSession', 2, 0, `checkpoints(first: 20) { nodes { liveSession { ${SESSION} } } }`],
  ['Checkpoint.pause', 2, 0, 'checkpoints(first: 20) { nodes { pause { until reason pausedBy } } }'],
  ['Checkpoint, its lists of items', 2, 0, 'checkpoints(first: 20) { nodes { headItemIds anchorItemIds } }'],
  ['CrawlSession.checkpoint', 2, 0, `sessions(first: 20) { nodes { checkpoint { ${CHECKPOINT} } } }`],
  ['CrawlSession.user', 1, 0, 'sessions(first: 20) { nodes { user { id } } }'],
  [
    'CrawlSession.resumedFrom',
    2,
    0,
    'sessions(first: 20, filter: { status: RUNNING }) { nodes { resumedFrom { id } } }',
  ],
  [
    'CrawlSession.revisions',
    2,
    0,
    `${FAILED} { nodes { revisions(first: 2) { nodes { ${REVISION} } pageInfo { hasNextPage } } } }`,
  ],
  ['CrawlSession.revisions, counted', 3, 0, `${FAILED} { nodes { revisions { totalCount } } }`],
  ['CheckpointRevision.session', 1, 0, 'checkpointHistory(userId: "user-0001") { nodes { session { id } } }'],
  ['Stream.oldestCheckpoint', 2, 0, `streams { oldestCheckpoint { ${CHECKPOINT} } }`],
]

/** In this order: some need what those before them made. */
const mutations: readonly Line[] = [
  [
    'Mutation.registerUser',
    2,
    1,
    'registerUser(input: { userId: "x" }) { ... on RegisterUserSuccess { user { id } } }',
  ],
  ['Mutation.saveCheckpoint, a first', 1, 5, `${save(101, 20)} { ${SAVED} }`],
  ['Mutation.saveCheckpoint, a next', 1, 4, `${save(101, 21)} { ${SAVED} }`],
  [
    'Mutation.saveCheckpoint, of a session',
    1,
    5,
    `${save(1, 60, `${IN_SESSION}, stream: "${STREAM}"`)} { ${SAVED_BY} }`,
  ],
  ["Mutation.saveCheckpoint, of its session's stream", 2, 5, `${save(1, 61, IN_SESSION)} { ${SAVED_BY} }`],
  ['Mutation.saveCheckpoints, three', 1, 15, `saveCheckpoints(inputs: ${THREE(102)}) { ${SAVED} }`],
  ['Mutation.saveCheckpoints, imported', 2, 15, `saveCheckpoints(inputs: ${THREE(105)}, import: true) { ${SAVED} }`],
  ['Mutation.startSession', 1, 5, `${start(108)} { ${STARTED} }`],
  ['Mutation.startSession, with its plan', 1, 5, `${start(109)} { ... on StartSessionSuccess { plan { mode } } }`],
  [
    'Mutation.heartbeat',
    1,
    1,
    `heartbeat(input: { sessionId: "live-21" }) { ... on HeartbeatSuccess { stopRequested } }`,
  ],
  ['Mutation.requestStop', 1, 2, `requestStop(input: { sessionId: "live-22" }) { ${ASKED} }`],
  ['Mutation.requestStopSessions', 1, 2, `requestStopSessions(input: { ${OF_26} }) { ${ASKED_MANY} }`],
  ['Mutation.completeSession', 1, 3, `completeSession(input: { sessionId: "live-23" }) { ${ENDED} }`],
  ['Mutation.stopSession', 1, 2, `stopSession(input: { sessionId: "live-24" }) { ${ENDED} }`],
  ['Mutation.failSession', 1, 2, `failSession(input: { sessionId: "live-25", errorMessage: "cut off" }) { ${ENDED} }`],
  ['Mutation.clearCheckpoint', 1, 4, `clearCheckpoint(input: { userId: "user-0102" }) { ${CLEARED} }`],
  ['Mutation.rollbackCheckpoint', 1, 4, `rollbackCheckpoint(input: { ${KEY_101}, toVersion: 1 }) { ${ROLLED_BACK} }`],
  ['Mutation.pauseCrawl', 1, 3, `pauseCrawl(input: { ${PAUSE} }) { ${PAUSED} }`],
  ['Mutation.unpauseCrawl', 1, 2, 'unpauseCrawl(input: { userId: "user-0120" }) { __typename }'],
  ['Mutation.moveCheckpoint', 1, 11, `moveCheckpoint(input: { ${MOVE_101} }) { ${MOVED} }`],
  ['Mutation.moveCheckpoint, a dry run', 1, 0, `moveCheckpoint(input: { ${MOVE_BACK}, dryRun: true }) { ${MOVED} }`],
  ['Mutation.importCheckpoints, three', 2, 18, `importCheckpoints(inputs: ${THREE_STATES(103)}) { ${IMPORTED} }`],
  ['Mutation.configureStream', 1, 1, `configureStream(input: { ${SETTING} }) { ${CONFIGURED} }`],
  [
    'Mutation.pruneSessions, ten',
    2,
    20,
    `pruneSessions(input: { completedBefore: "${dayFromNow(-1)}" }) { ${PRUNED} }`,
  ],
]

interface Watched {
  readonly what: string
  /** For all who watch: the change itself, the page of the log that it is on, and a statement for each type that is selected. */
  readonly statements: number
  readonly selection: string
  readonly change: (n: number) => string
}

const subscriptions: readonly Watched[] = [
  {
    what: 'Subscription.checkpointChanged',
    statements: 4,
    selection: `checkpointChanged { cursor kind checkpoint { ${CHECKPOINT} } session { ${SESSION} } }`,
    change: (n) => `${save(1, 70 + n, `${IN_SESSION}, stream: "${STREAM}"`)} { ${SAVED} }`,
  },
  {
    what: 'Subscription.sessionStatusChanged',
    statements: 3,
    selection: `sessionStatusChanged { cursor kind session { ${SESSION} } }`,
    change: (n) => `${start(110 + n)} { ${STARTED} }`,
  },
]

interface Crowd {
  readonly what: string
  readonly requests: number
  readonly statements: number
  readonly written: number
  readonly operation: (n: number) => Operation
}

const SAVE_MANY = `mutation ($inputs: [SaveCheckpointInput!]!) { saveCheckpoints(inputs: $inputs) { ${SAVED} } }`
const SESSIONS = 'sessions(first: 3) { nodes { id checkpoint { id } } }'
const crawled = (n: number) => (n % 20) + 1

/** Requests that are there at once. A save goes at once, and the others together as soon as it is written. */
const crowds: readonly Crowd[] = [
  {
    ...{ what: 'reads of a checkpoint', requests: 32, statements: 1, written: 0 },
    operation: (n) => ({ query: `{ checkpoint(userId: "${userId(crawled(n))}") { ${CHECKPOINT} } }` }),
  },
  {
    ...{ what: 'reads of a user', requests: 32, statements: 1, written: 0 },
    operation: (n) => ({ query: `{ user(userId: "${userId(n + 1)}") { id } }` }),
  },
  {
    ...{ what: 'reads of a node', requests: 32, statements: 1, written: 0 },
    operation: (n) => ({ query: `{ node(id: "${nodeId(`CrawlSession:live-${crawled(n)}`)}") { id } }` }),
  },
  {
    ...{ what: 'reads of a session with its checkpoint and user', requests: 32, statements: 2, written: 0 },
    operation: (n) => ({ query: `{ session(sessionId: "live-${crawled(n)}") { user { id } checkpoint { id } } }` }),
  },
  {
    ...{ what: "reads of a user's newest sessions with checkpoints", requests: 32, statements: 3, written: 0 },
    operation: (n) => ({ query: `{ user(userId: "${userId(crawled(n))}") { ${SESSIONS} } }` }),
  },
  {
    ...{ what: 'saves', requests: 64, statements: 2, written: 64 * 5 },
    operation: (n) => ({ query: `mutation { ${save(200 + n, 20)} { ${SAVED} } }` }),
  },
  {
    ...{ what: 'requests with ten saves', requests: 8, statements: 2, written: 80 * 5 },
    operation: (n) => ({ query: SAVE_MANY, variables: { inputs: inputsFrom(300 + n * 10, 10) } }),
  },
  {
    ...{ what: 'request with a thousand saves', requests: 1, statements: 1, written: 1_000 * 5 },
    operation: () => ({ query: SAVE_MANY, variables: { inputs: inputsFrom(1_000, 1_000) } }),
  },
]

describe('PostgreSQL is sent', () => {
  let waymark: TestWaymark

  beforeAll(async () => {
    const paces = { tickMs: NEVER_MS, noteEachMs: NEVER_MS, pruneEachMs: NEVER_MS }
    waymark = await startWaymark({ DATABASE_STATEMENT_TIMEOUT_MS: '60000' }, paces)
    await waymark.database.query(`
      INSERT INTO public."user" SELECT 'user-' || lpad(n::text, 4, '0') FROM generate_series(1, 2000) n;
      INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
        SELECT 'old-' || n, 'user-0031', now() - interval '9 days', now() - interval '8 days', 'completed'
        FROM generate_series(1, 10) n`)
    for (let n = 30; n > 0; n -= 1) await crawl(n)
    await waymark.database.query(`INSERT INTO crawler.crawl_pause
      SELECT user_id, stream, now() + interval '9 days', 'tired', 'local' FROM crawler.crawl_checkpoint`)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  async function crawl(n: number): Promise<void> {
    const user = { userId: userId(n) }
    const begin = (sessionId: string) => mutate(waymark, 'startSession', { ...user, sessionId, leaseSeconds: 3_600 })
    const move = (sessionId: string, headItemIds: string[]) =>
      mutate(waymark, 'saveCheckpoint', { ...user, sessionId, itemId: '20', headItemIds })
    if (n <= 20) {
      await begin(`complete-${n}`)
      await move(`complete-${n}`, ['40', '20'])
      await mutate(waymark, 'completeSession', { sessionId: `complete-${n}` })
      await begin(`failed-${n}`)
      await move(`failed-${n}`, ['50', '40'])
      await mutate(waymark, 'failSession', { sessionId: `failed-${n}`, errorMessage: 'cut off' })
    }
    await begin(`live-${n}`)
  }

  it('nothing that has no line here: each root field has one, and each field that leads from a node to others', () => {
    const lines = [...queries, ...relations, ...mutations].map(([what]) => what)
    const named = new Set([...lines, ...subscriptions.map(({ what }) => what)].map((what) => what.split(',')[0]))
    expect(fieldsOfTheApi().filter((field) => !named.has(field))).toEqual([])
  })

  it.each([...queries, ...relations])('for %s: statements %i, rows written %i', async (_, count, rows, selection) => {
    const asking = async () => expectWhole(await waymark.ask(`{ ${selection} }`))
    const { statements, written } = await countStatements(asking, { measuresWrites: true })
    expect({ statements, written }).toEqual({ statements: expect.objectContaining({ length: count }), written: rows })
  })

  it.each(mutations)('for %s: statements %i, rows written %i', async (_, count, rows, selection) => {
    const asking = async () => expectWhole(await waymark.ask(`mutation { ${selection} }`))
    const { statements, written } = await countStatements(asking, { measuresWrites: true })
    expect({ statements, written }).toEqual({ statements: expect.objectContaining({ length: count }), written: rows })
  })

  it.each(subscriptions)(
    `for a change of $what: statements $statements, for all ${WATCHERS} that watch`,
    async ({ statements: count, selection, change }) => {
      const leave = new AbortController()
      const query = `subscription { ${selection} }`
      try {
        const streams: AsyncGenerator<unknown, void>[] = []
        const beginning = await countStatements(async () => {
          while (streams.length < WATCHERS) streams.push(await openStream(waymark.url, { query }, leave.signal))
        })
        expect(beginning.statements).toEqual([])
        const makeChange = async (n: number) => {
          expectWhole(await waymark.ask(`mutation { ${change(n)} }`))
          for (const { value } of await Promise.all(streams.map((stream) => stream.next()))) expectWhole(value)
        }
        // With it the feed has got past whatever was written before.
        await makeChange(1)
        const { statements } = await countStatements(() => makeChange(2), { isCounted: isOfSubscriptions })
        expect(statements).toHaveLength(count)
      } finally {
        leave.abort()
      }
    },
  )

  it.each(crowds)(
    'for $requests $what at once: statements $statements, rows written $written',
    async ({ requests, operation, ...budget }) => {
      const asking = async () => {
        const operations = Array.from({ length: requests }, (_, n) => operation(n))
        for (const { data, errors } of await askTogether(waymark.url, operations)) {
          expect(errors).toBeUndefined()
          expectWhole(data)
        }
      }
      const { statements, written } = await countStatements(asking, { measuresWrites: true })
      expect({ statements: statements.length, written }).toEqual({
        statements: budget.statements,
        written: budget.written,
      })
    },
  )
})

/** An answer that lacks something, or refuses, may have cost less than it does. */
function expectWhole(answer: unknown): void {
  expect(JSON.stringify(answer)).not.toMatch(/null|\[\]|\{\}|"errors"/)
}

/** `Type.field`: of the roots every field, of nodes those that lead to other nodes. */
function fieldsOfTheApi(): string[] {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(
    (type) => type != null,
  )
  const node = schema.getType('Node')
  if (!isInterfaceType(node)) throw new Error('there is no Node')
  const nodes = schema.getPossibleTypes(node)
  const leadsToNodes = (target: unknown) =>
    isObjectType(target) && (nodes.includes(target) || target.name.endsWith('Connection'))
  return [
    ...roots.flatMap((type) => Object.keys(type.getFields()).map((field) => `${type.name}.${field}`)),
    ...nodes.flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => leadsToNodes(getNamedType(field.type)))
        .map((field) => `${type.name}.${field.name}`),
    ),
  ]
}
