// The requests to both the small and the large database: every lookup, every list by every filter and in every order,
// counts and saves. Users, sessions and times are random over the whole of each database.
import { SESSIONS_PER_USER, STREAM, userId, workNamed } from './works.mjs'

/** The same as streamSql of dataset.mjs. */
function streamOf(user) {
  const n = user + 1
  if (n % 1000 === 500) return 'rare/list'
  const place = n % 200
  const bounds = [180, 190, 194, 196, 198, 199, 200]
  const streams = ['twitter/likes', 'youtube/likes', 'mastodon/bookmarks', 'linkedin/saved', 'bluesky/likes']
  return [STREAM, 'reddit/saved', ...streams][bounds.findIndex((bound) => place < bound)]
}

const START_MS = Date.UTC(2026, 0, 1)
/** The start of one of the sessions that dataset.mjs makes. */
const timeOf = (user, count) => new Date(START_MS + user * 1237 + (count % SESSIONS_PER_USER) * 3_600_000).toISOString()
const hourLater = (time) => new Date(Date.parse(time) + 3_600_000).toISOString()
const sessionId = (user, count) => `${userId(user)}-${10 + (count % SESSIONS_PER_USER)}`
const dueCursor = (time) =>
  Buffer.from(JSON.stringify(['dueLists', time.replace('T', ' ').replace('Z', '+00'), ''])).toString('base64url')
const nodeId = (type, key) => Buffer.from(`${type}:${key}`).toString('base64')
const PLATFORMS = ['TWITTER', 'REDDIT', 'LINKEDIN', 'MASTODON', 'BLUESKY', 'YOUTUBE', 'OTHER']
const STATUSES = ['RUNNING', 'COMPLETED', 'STOPPED', 'FAILED']
const END_REASONS = ['REPORTED', 'LEASE_EXPIRED', 'TAKEN_OVER']

const CHECKPOINT = 'userId stream lastItemId lastCrawledAt bookmarksCount updatedAt'
const SESSION = 'sessionId userId stream status startedAt completedAt bookmarksProcessed'
const PAGE = 'pageInfo { hasNextPage endCursor }'

/** Filters of sessions by name. Each function makes a filter from a random user and a count that never repeats. */
const sessionFilters = {
  'no filter': () => ({}),
  userId: (user) => ({ userId: userId(user) }),
  'stream, 90 % of them': () => ({ stream: STREAM }),
  'stream, 0.1 % of them': () => ({ stream: 'rare/list' }),
  ...Object.fromEntries(PLATFORMS.map((platform) => [`platform ${platform}`, () => ({ platform })])),
  ...Object.fromEntries(STATUSES.map((status) => [`status ${status}`, () => ({ status: [status] })])),
  'status RUNNING, STOPPED': () => ({ status: ['RUNNING', 'STOPPED'] }),
  startedBefore: (user, count) => ({ startedBefore: timeOf(user, count) }),
  startedAfter: (user, count) => ({ startedAfter: timeOf(user, count) }),
  'an hour of startedAt': (user, count) => ({
    startedAfter: timeOf(user, count),
    startedBefore: hourLater(timeOf(user, count)),
  }),
  completedBefore: (user, count) => ({ completedBefore: timeOf(user, count) }),
  completedAfter: (user, count) => ({ completedAfter: timeOf(user, count) }),
  'an hour of completedAt': (user, count) => ({
    completedAfter: timeOf(user, count),
    completedBefore: hourLater(timeOf(user, count)),
  }),
  'stalled true': () => ({ stalled: true }),
  'stalled false': () => ({ stalled: false }),
  'stallReason LOOP': () => ({ stallReason: ['LOOP'] }),
  'stallReason LOOP, NO_PROGRESS': () => ({ stallReason: ['LOOP', 'NO_PROGRESS'] }),
  ...Object.fromEntries(END_REASONS.map((reason) => [`endReason ${reason}`, () => ({ endReason: [reason] })])),
  'endReason LEASE_EXPIRED, TAKEN_OVER': () => ({ endReason: ['LEASE_EXPIRED', 'TAKEN_OVER'] }),
  worker: (user) => ({ worker: `worker-${user % 1000}` }),
  'worker, none': () => ({ worker: 'worker-none' }),
  'rateLimited true': () => ({ rateLimited: true }),
  'rateLimited false': () => ({ rateLimited: false }),
  activeAfter: (user, count) => ({ activeAfter: timeOf(user, count) }),
  'userId, stream': (user) => ({ userId: userId(user), stream: streamOf(user) }),
  'userId, status': (user) => ({ userId: userId(user), status: ['STOPPED', 'FAILED'] }),
  'userId, startedBefore': (user, count) => ({ userId: userId(user), startedBefore: timeOf(user, count) }),
  'rare stream, status FAILED': () => ({ stream: 'rare/list', status: ['FAILED'] }),
  'platform YOUTUBE, status RUNNING': () => ({ platform: 'YOUTUBE', status: ['RUNNING'] }),
  'status FAILED, startedBefore': (user, count) => ({ status: ['FAILED'], startedBefore: timeOf(user, count) }),
  'platform OTHER, startedBefore': (user, count) => ({ platform: 'OTHER', startedBefore: timeOf(user, count) }),
}
const checkpointFilters = {
  'no filter': () => ({}),
  userId: (user) => ({ userId: userId(user) }),
  'stream, 90 % of them': () => ({ stream: STREAM }),
  'stream, 0.1 % of them': () => ({ stream: 'rare/list' }),
  ...Object.fromEntries(PLATFORMS.map((platform) => [`platform ${platform}`, () => ({ platform })])),
  crawledBefore: (user) => ({ crawledBefore: timeOf(user, 0) }),
  crawledAfter: (user) => ({ crawledAfter: timeOf(user, 0) }),
  'an hour of lastCrawledAt': (user) => ({
    crawledAfter: timeOf(user, 0),
    crawledBefore: hourLater(timeOf(user, 0)),
  }),
  'userId, stream': (user) => ({ userId: userId(user), stream: streamOf(user) }),
  'platform REDDIT, crawledBefore': (user) => ({ platform: 'REDDIT', crawledBefore: timeOf(user, 0) }),
  completedBefore: (user) => ({ completedBefore: timeOf(user, 0) }),
  'running true': () => ({ running: true }),
  'running false': () => ({ running: false }),
  'paused true': () => ({ paused: true }),
  'paused false': () => ({ paused: false }),
  'complete true': () => ({ complete: true }),
  'complete false': () => ({ complete: false }),
}

const CHECKPOINT_ORDERS = ['CRAWLED_AT_DESC', 'CRAWLED_AT_ASC', 'COMPLETED_AT_ASC', 'COMPLETED_AT_DESC'].map(
  (order) => `LAST_${order}`,
)

/** The small database has only so many checkpoints of these. A longer page would have more rows in the large one. */
const FEWEST = 10
const FEW = new Set(['stream, 0.1 % of them', 'platform OTHER'])

const byStream = (user) => ({ userId: userId(user), stream: streamOf(user) })
const revision = (user) => nodeId('CheckpointRevision', JSON.stringify([userId(user), streamOf(user), 3]))
const checkpointNode = (user) => nodeId('Checkpoint', JSON.stringify([userId(user), streamOf(user)]))

const lookups = [
  {
    name: 'checkpoint(userId, stream)',
    query: `query ($userId: String!, $stream: String!) { checkpoint(userId: $userId, stream: $stream) { ${CHECKPOINT} } }`,
    variables: byStream,
  },
  {
    name: 'session(sessionId) with user and checkpoint',
    query: workNamed('session').query,
    variables: (user, count) => ({ sessionId: sessionId(user, count) }),
  },
  {
    name: 'user(userId) with checkpoints',
    query: `query ($userId: String!) { user(userId: $userId) { userId checkpoints { ${CHECKPOINT} } } }`,
    variables: (user) => ({ userId: userId(user) }),
  },
  ...Object.entries({
    User: (user) => nodeId('User', userId(user)),
    Checkpoint: checkpointNode,
    CrawlSession: (user, count) => nodeId('CrawlSession', sessionId(user, count)),
    CheckpointRevision: revision,
    Stream: (user) => nodeId('Stream', streamOf(user)),
  }).map(([type, id]) => ({
    name: `node(id) of a ${type}`,
    query: 'query ($id: ID!) { node(id: $id) { id __typename } }',
    variables: (user, count) => ({ id: id(user, count) }),
  })),
  {
    name: 'nodes(ids), 20 of them',
    query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }',
    variables: (user, count, users) => ({
      ids: Array.from({ length: 10 }, (_, place) => (user + place * 7919) % users).flatMap((other) => [
        checkpointNode(other),
        nodeId('CrawlSession', sessionId(other, count)),
      ]),
    }),
  },
  {
    name: 'resumePlan',
    query: `query ($userId: String!, $stream: String!) { resumePlan(userId: $userId, stream: $stream) {
      mode afterItemId untilItemIds reason previousSession { sessionId } } }`,
    variables: byStream,
  },
  {
    name: 'checkpoint with liveSession',
    query: `query ($userId: String!, $stream: String!) { checkpoint(userId: $userId, stream: $stream) {
      version lastItemId headItemIds anchorItemIds liveSession { sessionId } } }`,
    variables: byStream,
  },
]

const sessionList = (order, name, filter) => ({
  name: `sessions, ${order}: ${name}`,
  query: `query ($filter: CrawlSessionFilter) { sessions(first: 20, orderBy: ${order}, filter: $filter) { nodes { ${SESSION} } ${PAGE} } }`,
  variables: (user, count) => ({ filter: filter(user, count) }),
})
const lists = [
  {
    name: 'user(userId) with their 20 newest sessions, each with its checkpoint',
    query: workNamed('sessions').query,
    variables: (user) => ({ userId: userId(user) }),
  },
  ...['stream', 'status', 'platform'].map((name) => ({
    name: `user(userId) with sessions by ${name}`,
    query: `query ($userId: String!, $filter: CrawlSessionFilter) {
      user(userId: $userId) { sessions(first: 20, filter: $filter) { nodes { ${SESSION} } ${PAGE} } } }`,
    variables: (user) => ({
      userId: userId(user),
      filter: { stream: { stream: streamOf(user) }, status: { status: ['FAILED'] }, platform: { platform: 'TWITTER' } }[
        name
      ],
    }),
  })),
  {
    name: 'user(userId) with sessions and their totalCount',
    query: `query ($userId: String!) { user(userId: $userId) { sessions(first: 20) { totalCount nodes { ${SESSION} } } } }`,
    variables: (user) => ({ userId: userId(user) }),
  },
  ...['STARTED_AT_DESC', 'STARTED_AT_ASC', 'COMPLETED_AT_DESC'].flatMap((order) =>
    Object.entries(sessionFilters).map(([name, filter]) => sessionList(order, name, filter)),
  ),
  {
    name: 'sessions, the last 20 before a time',
    query: `query ($filter: CrawlSessionFilter) { sessions(last: 20, filter: $filter) { nodes { ${SESSION} } ${PAGE} } }`,
    variables: (user, count) => ({ filter: { startedAfter: timeOf(user, count) } }),
  },
  ...['STARTED_AT_DESC', 'COMPLETED_AT_DESC'].map((order) => ({
    name: `sessions, ${order}: the page after a cursor in the middle`,
    query: `query ($after: String) { sessions(first: 20, orderBy: ${order}, after: $after) { nodes { ${SESSION} } ${PAGE} } }`,
    variables: (_user, count, _users, cursors) => ({ after: cursors[order][count % cursors[order].length] }),
    cursorsOf: order,
  })),
  ...CHECKPOINT_ORDERS.flatMap((order) =>
    Object.entries(checkpointFilters).map(([name, filter]) => ({
      name: `checkpoints, ${order}: ${name}${FEW.has(name) ? `, page of ${FEWEST}` : ''}`,
      query: `query ($filter: CheckpointFilter) {
        checkpoints(first: ${FEW.has(name) ? FEWEST : 20}, orderBy: ${order}, filter: $filter) { nodes { ${CHECKPOINT} version } ${PAGE} } }`,
      variables: (user, count) => ({ filter: filter(user, count) }),
    })),
  ),
  {
    name: 'dueLists, the first page',
    query: `query ($completedBefore: DateTime!) { dueLists(stream: "${STREAM}", completedBefore: $completedBefore, first: 20) {
      nodes { userId lastStartedAt failuresInARow checkpoint { ${CHECKPOINT} } } ${PAGE} } }`,
    variables: (user) => ({ completedBefore: timeOf(user, 0) }),
  },
  {
    name: 'dueLists, the page after a cursor in the middle',
    query: `query ($completedBefore: DateTime!, $after: String) {
      dueLists(stream: "${STREAM}", completedBefore: $completedBefore, first: 20, after: $after) { nodes { userId lastStartedAt } ${PAGE} } }`,
    variables: (user) => ({ completedBefore: timeOf(user, 0), after: dueCursor(timeOf(Math.floor(user / 2), 0)) }),
  },
  {
    name: 'crawlPause',
    query: 'query ($userId: String!) { crawlPause(userId: $userId) { until reason } }',
    variables: (user) => ({ userId: userId(user) }),
  },
  {
    name: 'searchUsers',
    query: `query ($prefix: String!) { searchUsers(prefix: $prefix, first: 20) { nodes { userId } ${PAGE} } }`,
    variables: (user) => ({ prefix: userId(user).slice(0, -2) }),
  },
  { name: 'users, the first page', query: `{ users(first: 20) { nodes { userId } ${PAGE} } }`, variables: () => ({}) },
  {
    name: 'users, the page after a cursor in the middle',
    query: `query ($after: String) { users(first: 20, after: $after) { nodes { userId } ${PAGE} } }`,
    variables: (_user, count, _users, cursors) => ({ after: cursors.users[count % cursors.users.length] }),
    cursorsOf: 'users',
  },
  {
    name: 'checkpointHistory',
    query: `query ($userId: String!, $stream: String!) { checkpointHistory(userId: $userId, stream: $stream, first: 20) {
      totalCount nodes { version source lastItemId recordedAt } ${PAGE} } }`,
    variables: byStream,
  },
  {
    name: 'streams, each with its oldest checkpoint',
    query: '{ streams { name ordering oldestCheckpoint { userId lastCrawledAt } } }',
    variables: () => ({}),
  },
  {
    name: 'activity of a user in a day, by the hour',
    query: `query ($userId: String!, $from: DateTime!, $to: DateTime!) { activity(userId: $userId, from: $from, to: $to, bucket: HOUR) {
      start saves bookmarksAdded sessionsStarted sessionsCompleted } }`,
    variables: (user) => ({
      userId: userId(user),
      from: timeOf(user, 0),
      to: new Date(Date.parse(timeOf(user, 0)) + 86_400_000).toISOString(),
    }),
  },
  {
    name: 'sessionStats of a user',
    query:
      'query ($filter: CrawlSessionFilter) { sessionStats(filter: $filter) { total running completed bookmarksProcessed } }',
    variables: (user) => ({ filter: { userId: userId(user) } }),
  },
]

/** Counts read the rows that they count, so they take time in proportion. */
const counts = [
  ['sessions, no filter: totalCount', 'sessions(first: 1) { totalCount }'],
  ['sessions, status COMPLETED: totalCount', 'sessions(first: 1, filter: { status: [COMPLETED] }) { totalCount }'],
  ['sessions, status RUNNING: totalCount', 'sessions(first: 1, filter: { status: [RUNNING] }) { totalCount }'],
  [
    'sessions, endReason TAKEN_OVER: totalCount',
    'sessions(first: 1, filter: { endReason: [TAKEN_OVER] }) { totalCount }',
  ],
  ['sessions, worker: totalCount', 'sessions(first: 1, filter: { worker: "worker-7" }) { totalCount }'],
  ['sessions, rateLimited: totalCount', 'sessions(first: 1, filter: { rateLimited: true }) { totalCount }'],
  ['sessions, stallReason LOOP: totalCount', 'sessions(first: 1, filter: { stallReason: [LOOP] }) { totalCount }'],
  ['sessions, stream, 0.1 % of them: totalCount', 'sessions(first: 1, filter: { stream: "rare/list" }) { totalCount }'],
  ['checkpoints, no filter: totalCount', 'checkpoints(first: 1) { totalCount }'],
  ['users: totalCount', 'users(first: 1) { totalCount }'],
  ['sessionStats, no filter', 'sessionStats { total running completed stopped failed bookmarksProcessed }'],
  ['sessionStats, status RUNNING', 'sessionStats(filter: { status: [RUNNING] }) { total bookmarksProcessed }'],
  [
    'activity of everybody in a day, by the hour',
    'activity(from: "2026-01-02T00:00:00Z", to: "2026-01-03T00:00:00Z", bucket: HOUR) { saves sessionsStarted }',
  ],
].map(([name, fields]) => ({ name, query: `{ ${fields} }`, variables: () => ({}) }))

const writes = ['save', 'bulk'].map((name) => ({
  ...workNamed(name),
  title: undefined,
  name: { save: 'saveCheckpoint', bulk: 'saveCheckpoints, 1,000 a request' }[name],
}))

export const works = [
  ...lookups.map((work) => ({ ...work, kind: 'lookup' })),
  ...lists.map((work) => ({ ...work, kind: 'list' })),
  ...counts.map((work) => ({ ...work, kind: 'count' })),
  ...writes.map((work) => ({ ...work, kind: 'write' })),
]
