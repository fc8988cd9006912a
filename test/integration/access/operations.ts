import fc from 'fast-check'

/** An operation of one root field. */
export interface Operation {
  readonly field: string
  readonly query: string
  readonly variables: Record<string, unknown>
}

export const OURS = ['ours-1', 'ours-2']
/** In reach, but not registered at first. */
export const OURS_UNKNOWN = 'ours-3'
export const THEIRS = ['canary-1', 'canary-2', 'canary-3']
export const THEIR_STREAM = 'canary/secret'
/** Nobody's, but somebody has set it up. What is set up for a stream that one saves to is no secret: it judges the saves. */
export const CONFIGURED_STREAM = 'canary/configured'
const uuid = (digit: string, n: number) => `${digit.repeat(8)}-0000-4000-8000-00000000000${n}`
export const OUR_SESSIONS = [1, 2, 3].map((n) => uuid('a', n))
export const THEIR_SESSIONS = [1, 2, 3, 4].map((n) => uuid('f', n))
export const THEIR_NAMED_SESSION = 'canary-session'
const NO_SESSIONS = [1, 2].map((n) => uuid('e', n))

/** Weighted to what isn't ours: that is what must not be told. */
const userId = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...THEIRS) },
  { weight: 2, arbitrary: fc.constantFrom(...OURS, OURS_UNKNOWN) },
  { weight: 1, arbitrary: fc.constant('nobody') },
)
const stream = fc.constantFrom('twitter/bookmarks', 'reddit/saved', THEIR_STREAM, 'none/at-all')
const sessionId = fc.constantFrom(...THEIR_SESSIONS, ...OUR_SESSIONS, ...NO_SESSIONS, THEIR_NAMED_SESSION)
/** One that no other user has: that it is taken could not be hidden. */
const newSessionId = fc.constantFrom(...OUR_SESSIONS, ...NO_SESSIONS, THEIR_NAMED_SESSION)
const version = fc.integer({ min: 0, max: 4 })
const count = fc.integer({ min: 0, max: 50 })
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })
const itemId = fc.constantFrom('21', '22', 't3_abc')

const base64 = (text: string) => Buffer.from(text).toString('base64')
const nodeId = fc.oneof(
  userId.map((id) => base64(`User:${id}`)),
  fc.tuple(userId, stream).map((key) => base64(`Checkpoint:${JSON.stringify(key)}`)),
  {
    weight: 3,
    arbitrary: fc.tuple(userId, stream, version).map((key) => base64(`CheckpointRevision:${JSON.stringify(key)}`)),
  },
  sessionId.map((id) => base64(`CrawlSession:${id}`)),
  fc.constantFrom(CONFIGURED_STREAM, THEIR_STREAM, 'reddit/saved', 'x/y').map((name) => base64(`Stream:${name}`)),
)

const SESSION = `sessionId userId stream status epoch attempt bookmarksProcessed outputFilePath errorMessage worker endReason commits
  stopRequestedAt leaseExpiresAt stalled resumedFrom { sessionId worker }`
const CHECKPOINT = `id userId stream lastItemId bookmarksCount version epoch pageToken headItemIds anchorItemIds complete pause { reason }
  liveSession { sessionId worker checkpoint { pageToken } }`
const USER = `id userId checkpoint { lastItemId } checkpoints { ${CHECKPOINT} }
  sessions(first: 3) { totalCount nodes { ${SESSION} checkpoint { ${CHECKPOINT} } } pageInfo { hasNextPage } }`
const REVISION =
  'id userId stream version source actor wasAt: lastItemId bookmarksCount pageToken complete epoch headItemIds anchorItemIds session { sessionId worker checkpoint { lastItemId } resumedFrom { sessionId worker } }'
const STREAM = 'id name ordering oldestCheckpoint { userId lastItemId }'
const NODE = `__typename ... on User { ${USER} } ... on Checkpoint { ${CHECKPOINT} user { ${USER} } } ... on CrawlSession { ${SESSION} user { ${USER} } }
  ... on CheckpointRevision { ${REVISION} } ... on Stream { ${STREAM} }`
const PAUSE = 'pause { until reason pausedBy }'
const PLAN = `mode afterItemId pageToken untilItemIds reason previousSession { sessionId } ${PAUSE}`
const REFUSAL = `__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }`
const BUSY = `... on StreamBusyError { owner { ${SESSION} } }`
const CLOSED = `... on SessionClosedError { closed: session { ${SESSION} } }`
const SAVED = `${REFUSAL} ... on SaveCheckpointSuccess { created stopRequested checkpoint { ${CHECKPOINT} user { ${USER} } } saved: session { ${SESSION} } } ${BUSY} ${CLOSED}
  ... on VersionConflictError { currentVersion } ... on StaleEpochError { currentEpoch } ... on OrderViolationError { lastItemId }`
const ENDED = `${REFUSAL} ... on EndSessionSuccess { session { ${SESSION} user { ${USER} } } } ${CLOSED} ... on StaleEpochError { currentEpoch }`
const PAUSED = `${REFUSAL} ... on PauseCrawlSuccess { pause { until reason pausedBy } } ${CLOSED} ... on StaleEpochError { currentEpoch }`

function read(
  field: string,
  types: Record<string, string>,
  selection: string,
  variables: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Operation> {
  return operation('query', field, types, selection, fc.record(variables))
}

function write(
  field: string,
  selection: string,
  input: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Operation> {
  const type = `${field.charAt(0).toUpperCase()}${field.slice(1)}Input!`
  return operation('mutation', field, { input: type }, selection, fc.record({ input: fc.record(input) }))
}

function operation(
  kind: string,
  field: string,
  types: Record<string, string>,
  selection: string,
  variables: fc.Arbitrary<Record<string, unknown>>,
): fc.Arbitrary<Operation> {
  const names = Object.keys(types)
  const declared = names.length > 0 ? `(${names.map((name) => `$${name}: ${types[name] ?? ''}`).join(', ')})` : ''
  const passed = names.length > 0 ? `(${names.map((name) => `${name}: $${name}`).join(', ')})` : ''
  return variables.map((values) => ({
    field,
    query: `${kind} ${declared} { ${field}${passed} { ${selection} } }`,
    variables: values,
  }))
}

const page = { first: fc.integer({ min: 0, max: 3 }) }
const at = { from: '2026-01-01T00:00:00Z' }
const save = {
  ...{ userId, itemId, stream: maybe(stream), sessionId: maybe(sessionId), bookmarksAdded: maybe(count) },
  ...{ expectedVersion: maybe(version), pageToken: maybe(fc.constant('next')) },
  idempotencyKey: maybe(fc.constantFrom('key-1', 'canary-key')),
}
const CHECKPOINT_ORDERS = ['CRAWLED_AT_DESC', 'CRAWLED_AT_ASC', 'COMPLETED_AT_ASC', 'COMPLETED_AT_DESC'].map(
  (order) => `LAST_${order}`,
)
const FILTERS = {
  checkpoints: fc.record({
    userId: maybe(userId),
    stream: maybe(stream),
    platform: maybe(fc.constantFrom('TWITTER', 'OTHER')),
    ...{ running: maybe(fc.boolean()), paused: maybe(fc.boolean()), complete: maybe(fc.boolean()) },
    completedBefore: maybe(fc.constantFrom(at.from, today(1))),
  }),
  sessions: fc.record({
    ...{ userId: maybe(userId), stream: maybe(stream), stalled: maybe(fc.boolean()) },
    endReason: maybe(fc.subarray(['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER'])),
    activeAfter: maybe(fc.constant(at.from)),
    status: maybe(fc.subarray(['RUNNING', 'COMPLETED', 'STOPPED', 'FAILED'])),
  }),
}

/** They lead to several types: asked as seldom as the others, each type would come too seldom. */
const OFTEN: readonly fc.Arbitrary<Operation>[] = [
  read('node', { id: 'ID!' }, NODE, { id: nodeId }),
  read('nodes', { ids: '[ID!]!' }, NODE, { ids: fc.array(nodeId, { maxLength: 4 }) }),
  write(
    'rollbackCheckpoint',
    `${REFUSAL} ... on RollbackCheckpointSuccess { checkpoint { ${CHECKPOINT} } target { ${REVISION} } revision { ${REVISION} } } ${BUSY}`,
    {
      // Most rollbacks of others end before they read anything.
      userId: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...OURS) }, userId),
      ...{ stream, toVersion: version, dryRun: fc.boolean() },
      expectedVersion: fc.option(version, { nil: undefined, freq: 1 }),
    },
  ),
]

/** One arbitrary for each root field of the schema, so that none is forgotten: the test compares the names. */
export const OPERATIONS: readonly fc.Arbitrary<Operation>[] = [
  ...OFTEN,
  read('user', { userId: 'String!' }, USER, { userId }),
  read('users', { first: 'Int' }, `totalCount nodes { ${USER} } pageInfo { hasNextPage }`, page),
  read('checkpoint', { userId: 'String!', stream: 'String' }, CHECKPOINT, { userId, stream }),
  read(
    'checkpoints',
    { first: 'Int', filter: 'CheckpointFilter', orderBy: 'CheckpointOrder' },
    `totalCount nodes { ${CHECKPOINT} } pageInfo { hasNextPage }`,
    { ...page, filter: FILTERS.checkpoints, orderBy: fc.constantFrom(...CHECKPOINT_ORDERS) },
  ),
  read('session', { sessionId: 'String!' }, `${SESSION} user { ${USER} }`, { sessionId }),
  read(
    'sessions',
    { first: 'Int', filter: 'CrawlSessionFilter', orderBy: 'CrawlSessionOrder' },
    `totalCount nodes { ${SESSION} } pageInfo { hasNextPage }`,
    {
      ...page,
      filter: FILTERS.sessions,
      orderBy: fc.constantFrom('STARTED_AT_DESC', 'STARTED_AT_ASC', 'COMPLETED_AT_DESC'),
    },
  ),
  read('sessionStats', { filter: 'CrawlSessionFilter' }, 'total running completed stopped failed bookmarksProcessed', {
    filter: FILTERS.sessions,
  }),
  read('resumePlan', { userId: 'String!', stream: 'String' }, PLAN, { userId, stream }),
  read(
    'dueLists',
    { stream: 'String!', completedBefore: 'DateTime!', startedBefore: 'DateTime', first: 'Int' },
    `totalCount nodes { userId stream lastStartedAt failuresInARow checkpoint { ${CHECKPOINT} } } pageInfo { hasNextPage }`,
    {
      ...page,
      stream,
      completedBefore: fc.constantFrom(at.from, today(1)),
      startedBefore: maybe(fc.constant(today(1))),
    },
  ),
  read('searchUsers', { prefix: 'String!', first: 'Int' }, `totalCount nodes { ${USER} } pageInfo { hasNextPage }`, {
    ...page,
    prefix: fc.constantFrom('', 'c', 'canary', 'canary-1', 'ours', 'o'),
  }),
  read('crawlPause', { userId: 'String!', stream: 'String' }, 'until reason pausedBy', { userId, stream }),
  read(
    'checkpointHistory',
    { userId: 'String!', stream: 'String', first: 'Int' },
    `totalCount nodes { ${REVISION} } pageInfo { hasNextPage }`,
    { userId, stream, ...page },
  ),
  read('streams', {}, STREAM, {}),
  read(
    'activity',
    { from: 'DateTime!', to: 'DateTime!', bucket: 'TimeBucket!', userId: 'String', stream: 'String' },
    'bookmarksAdded saves sessionsStarted sessionsCompleted sessionsStopped sessionsFailed',
    {
      from: fc.constant(today(-1)),
      to: fc.constant(today(2)),
      bucket: fc.constant('DAY'),
      userId: maybe(userId),
      stream: maybe(stream),
    },
  ),
  read('viewer', {}, 'subject scopes userIds expiresAt', {}),
  write('registerUser', `${REFUSAL} ... on RegisterUserSuccess { user { ${USER} } }`, { userId }),
  write('saveCheckpoint', SAVED, save),
  operation(
    'mutation',
    'saveCheckpoints',
    { inputs: '[SaveCheckpointInput!]!', import: 'Boolean' },
    SAVED,
    fc.record({ inputs: fc.array(fc.record(save), { maxLength: 3 }), import: fc.boolean() }),
  ),
  write(
    'clearCheckpoint',
    `${REFUSAL} ... on ClearCheckpointSuccess { cleared lastItemId nodeId } ${BUSY} ${CLOSED} ... on VersionConflictError { currentVersion }`,
    { userId, stream, sessionId: maybe(sessionId), expectedVersion: maybe(version) },
  ),
  write('pauseCrawl', PAUSED, {
    ...{ userId, stream, sessionId: maybe(sessionId), until: fc.constantFrom(today(1), today(2)) },
    reason: fc.constant('tired'),
  }),
  write('unpauseCrawl', PAUSED, { userId, stream }),
  write(
    'startSession',
    `${REFUSAL} ... on StartSessionSuccess { session { ${SESSION} user { ${USER} } } checkpoint { ${CHECKPOINT} } plan { ${PLAN} } } ${BUSY}
      ... on SessionExistsError { session { ${SESSION} } } ... on StreamPausedError { pause { reason } }`,
    {
      ...{ userId, stream, sessionId: newSessionId, leaseSeconds: fc.constant(3_600), takeover: fc.boolean() },
      ignorePause: maybe(fc.boolean()),
      idempotencyKey: maybe(fc.constantFrom('start-1', 'canary-start')),
    },
  ),
  write('heartbeat', `${REFUSAL} ... on HeartbeatSuccess { stopRequested session { ${SESSION} } } ${CLOSED}`, {
    sessionId,
    bookmarksProcessed: maybe(count),
  }),
  write('completeSession', ENDED, { sessionId, bookmarksProcessed: maybe(count) }),
  write('stopSession', ENDED, { sessionId }),
  write('failSession', ENDED, { sessionId, errorMessage: fc.constant('lost') }),
  write('requestStop', `${REFUSAL} ... on RequestStopSuccess { session { ${SESSION} } } ${CLOSED}`, { sessionId }),
  write('requestStopSessions', `${REFUSAL} ... on RequestStopSessionsSuccess { matched requested }`, {
    ...{ filter: FILTERS.sessions, all: fc.boolean(), dryRun: fc.boolean(), expectedMatched: maybe(count) },
    reason: maybe(fc.constant('deployment')),
  }),
  write(
    'moveCheckpoint',
    `${REFUSAL} ... on MoveCheckpointSuccess { moved { previousNodeId checkpoint { ${CHECKPOINT} } } } ${BUSY}
      ... on CheckpointExistsError { checkpoint { ${CHECKPOINT} } }`,
    { fromUserId: userId, toUserId: userId, stream: maybe(stream), allStreams: fc.boolean(), dryRun: fc.boolean() },
  ),
  operation(
    'mutation',
    'importCheckpoints',
    { inputs: '[ImportCheckpointInput!]!' },
    `${REFUSAL} ... on ImportCheckpointSuccess { created checkpoint { ${CHECKPOINT} user { ${USER} } } } ${BUSY}`,
    fc.record({
      inputs: fc.array(
        fc.record({
          ...{ userId, stream, lastItemId: itemId, bookmarksCount: count, lastCrawledAt: fc.constant(at.from) },
          ...{ headItemIds: fc.constantFrom([], ['21']), anchorItemIds: fc.constantFrom([], ['22', '21']) },
          ...{
            complete: fc.boolean(),
            pageToken: maybe(fc.constant('next')),
            pausedUntil: maybe(fc.constant(today(30))),
          },
        }),
        { maxLength: 3 },
      ),
    }),
  ),
  write('pruneSessions', `${REFUSAL} ... on PruneSessionsSuccess { count }`, {
    ...{ completedBefore: fc.constantFrom(at.from, today(1)), userId: maybe(userId), stream: maybe(stream) },
    dryRun: fc.boolean(),
  }),
  operation(
    'mutation',
    'configureStream',
    { input: 'ConfigureStreamInput!' },
    `${REFUSAL} ... on ConfigureStreamSuccess { stream { ${STREAM} } }`,
    fc.record({ input: fc.record({ name: stream, ordering: fc.constantFrom('NONE', 'ASCENDING') }) }),
  ),
]

/** An operation of any root field. */
export const anyOperation = fc.oneof(...OPERATIONS, ...OFTEN, ...OFTEN)

function today(plusDays: number): string {
  const day = new Date(Date.now() + plusDays * 86_400_000)
  return `${day.toISOString().slice(0, 10)}T00:00:00Z`
}
