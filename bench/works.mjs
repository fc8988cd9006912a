// The requests to the servers. Each server gets the same bytes.
export const STREAM = 'twitter/bookmarks'

/** @param {number} n from 0 @returns {string} an ID of dataset.mjs; all are equally long, so that all requests are */
export const userId = (n) => `user-${String(n + 1).padStart(7, '0')}`
export const SESSIONS_PER_USER = 20

/** Tweet IDs of 2024 that grow with each save, so that each save moves the checkpoint. */
const itemId = (count) => `18000000000${String(count).padStart(8, '0')}`

const save = (user, count) => ({
  userId: userId(user),
  stream: STREAM,
  itemId: itemId(count),
  bookmarksCount: 10_000_000 + count,
})

/**
 * `variables(user, count)`: `count` never repeats in a run. `writes`: each connection uses its own users, as crawlers
 * do. `target` and `p99Target` are ratios to Mercurius.
 */
export const works = [
  {
    name: 'checkpoint',
    title: 'checkpoint by user',
    query: `query ($userId: String!) {
      checkpoint(userId: $userId, stream: "${STREAM}") { userId stream lastItemId lastCrawledAt bookmarksCount updatedAt } }`,
    variables: (user) => ({ userId: userId(user) }),
    target: 2,
  },
  {
    name: 'session',
    title: 'session by id with its checkpoint and user',
    query: `query ($sessionId: String!) {
      session(sessionId: $sessionId) { sessionId stream status startedAt completedAt bookmarksProcessed
        user { userId } checkpoint { lastItemId lastCrawledAt bookmarksCount } } }`,
    variables: (user, count) => ({ sessionId: `${userId(user)}-${10 + (count % SESSIONS_PER_USER)}` }),
    target: 2,
  },
  {
    name: 'sessions',
    title: '20 newest sessions of a user, each with its checkpoint',
    query: `query ($userId: String!) {
      user(userId: $userId) { userId sessions(first: 20) { nodes { sessionId status startedAt completedAt bookmarksProcessed
        checkpoint { lastItemId lastCrawledAt bookmarksCount } } } } }`,
    variables: (user) => ({ userId: userId(user) }),
    target: 1.5,
  },
  {
    name: 'save',
    title: 'saveCheckpoint',
    query: `mutation ($input: SaveCheckpointInput!) {
      saveCheckpoint(input: $input) { ... on SaveCheckpointSuccess { created checkpoint { userId stream lastItemId bookmarksCount } } } }`,
    variables: (user, count) => ({ input: save(user, count) }),
    writes: true,
    target: 2.5,
  },
  {
    name: 'save-256',
    title: 'saveCheckpoint',
    connections: 256,
    sameAs: 'save',
    target: 4,
  },
  {
    name: 'bulk',
    title: 'saveCheckpoints, 1,000 a request',
    connections: 4,
    perRequest: 1_000,
    query: `mutation ($inputs: [SaveCheckpointInput!]!) {
      saveCheckpoints(inputs: $inputs) { ... on SaveCheckpointSuccess { created } ... on UserError { code message } } }`,
    variables: (user, count, users) => ({
      inputs: Array.from({ length: 1_000 }, (_, place) => save((user * 1_000 + place) % users, count)),
    }),
    writes: true,
  },
].map((work, _place, all) => ({
  connections: 32,
  perRequest: 1,
  ...all.find(({ name }) => name === work.sameAs),
  ...work,
}))

export const workNamed = (name) => works.find((work) => work.name === name)

/** @param cursors places in lists, for works that continue from one @returns {string} the body of a request */
export const bodyOf = (work, user, count, users, cursors) =>
  JSON.stringify({ query: work.query, variables: work.variables(user, count, users, cursors) })
