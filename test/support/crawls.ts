import { afterAll, beforeAll, beforeEach } from 'vitest'
import { controlClock } from './clock.ts'
import { letWritersWait } from './database.ts'
import { type MutationResult, startWaymark, type TestWaymark } from './waymark.ts'

const SESSION = `sessionId status epoch leaseSeconds leaseExpiresAt heartbeatAt stopRequestedAt rateLimitedUntil worker endReason
  attempt resumedFrom { sessionId } stalled commits bookmarksProcessed bookmarksPerSecond apiRequests rateLimitHits errorMessage
  completedAt mode planReason`
const CHECKPOINT = `version epoch lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete lastItemPublishedAt lastCrawledAt
  lastCompletedAt fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt }`
const PLAN = 'mode afterItemId pageToken untilItemIds reason previousSession { sessionId }'

const REFUSED = '__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }'
const STALE = '... on StaleEpochError { currentEpoch }'
const BUSY = '... on StreamBusyError { owner { sessionId leaseExpiresAt } retryAt }'
const CONFLICT = '... on VersionConflictError { currentVersion }'
// A success has a nullable session under that name: GraphQL lets the two meet only by an alias.
const CLOSED = '... on SessionClosedError { closed: session { sessionId status endReason } }'
const SAVED = `${REFUSED} ${STALE} ${BUSY} ${CLOSED} ${CONFLICT} ... on OrderViolationError { lastItemId }
  ... on TokenSavedSuccess { replayed stopRequested token: session { ${SESSION} } }
  ... on SaveCheckpointSuccess { created replayed ignoredHeadItemIds stopRequested checkpoint { ${CHECKPOINT} } session { ${SESSION} } }`
const ENDED = `${REFUSED} ${STALE} ${CLOSED} ... on EndSessionSuccess { session { ${SESSION} } }`

/** By mutation: its input's type, and all of its answer that tests of the crawl contract look at. */
const operations = {
  registerUser: ['RegisterUserInput!', REFUSED],
  startSession: [
    'StartSessionInput!',
    `${REFUSED} ${BUSY} ... on StreamPausedError { pause { until reason pausedBy } } ... on SessionExistsError { session { ${SESSION} } }
    ... on StartSessionSuccess { session { ${SESSION} } checkpoint { ${CHECKPOINT} } plan { ${PLAN} } }`,
  ],
  saveCheckpoint: ['SaveCheckpointInput!', SAVED],
  heartbeat: [
    'HeartbeatInput!',
    `${REFUSED} ${STALE} ${CLOSED} ... on HeartbeatSuccess { stopRequested session { ${SESSION} } }`,
  ],
  completeSession: ['CompleteSessionInput!', ENDED],
  stopSession: ['StopSessionInput!', ENDED],
  failSession: ['FailSessionInput!', ENDED],
  requestStop: ['RequestStopInput!', `${REFUSED} ${CLOSED} ... on RequestStopSuccess { session { ${SESSION} } }`],
  clearCheckpoint: [
    'ClearCheckpointInput!',
    `${REFUSED} ${STALE} ${BUSY} ${CLOSED} ${CONFLICT} ... on ClearCheckpointSuccess { cleared lastItemId }`,
  ],
  rollbackCheckpoint: [
    'RollbackCheckpointInput!',
    `${REFUSED} ${BUSY} ${CONFLICT} ... on RollbackCheckpointSuccess { checkpoint { ${CHECKPOINT} } revision { version } }`,
  ],
  pruneSessions: ['PruneSessionsInput!', `${REFUSED} ... on PruneSessionsSuccess { count }`],
} as const

export interface Plan {
  readonly mode: string
  readonly afterItemId: string | null
  readonly pageToken: string | null
  readonly untilItemIds: readonly string[]
  readonly reason: string
  readonly previousSession: { readonly sessionId: string } | null
}

/** What a crawler of one user asks of a server whose leases go by a clock that the test moves. */
export interface Crawls {
  readonly waymark: TestWaymark
  readonly clock: Awaited<ReturnType<typeof controlClock>>
  /** Registered; another one for each test. */
  readonly userId: string
  readonly run: (operation: keyof typeof operations, input: Record<string, unknown>) => Promise<MutationResult>
  readonly start: (input?: Record<string, unknown>) => Promise<MutationResult>
  readonly startId: (input?: Record<string, unknown>) => Promise<string>
  /** Of item 20 of the user's bookmarks, unless the input says otherwise. */
  readonly save: (input?: Record<string, unknown>) => Promise<MutationResult>
  readonly saveAll: (
    inputs: Record<string, unknown>[],
    variables?: Record<string, unknown>,
  ) => Promise<MutationResult[]>
  /** Has a reaper look now; as if one had looked just before, so that the time since is no outage. */
  readonly reap: () => Promise<void>
  readonly plan: () => Promise<Plan>
  readonly session: (sessionId: string) => Promise<Record<string, any>>
  readonly checkpoint: () => Promise<Record<string, any>>
  readonly revisions: (of?: string) => Promise<Record<string, unknown>[]>
}

/** To be called in a describe: starts its server before its tests, and ends it after. */
export function setUpCrawls(): Crawls {
  let waymark: TestWaymark
  let clock: Crawls['clock']
  let userId: string
  let users = 0
  beforeAll(async () => {
    waymark = await startWaymark()
    clock = await controlClock(waymark.database)
    await letWritersWait(waymark.database)
  })
  afterAll(() => waymark[Symbol.asyncDispose]())
  beforeEach(async () => {
    userId = `user-${(users += 1)}`
    await run('registerUser', { userId })
  })

  async function run(operation: keyof typeof operations, input: Record<string, unknown>): Promise<MutationResult> {
    const [type, selection] = operations[operation]
    const query = `mutation ($input: ${type}) { result: ${operation}(input: $input) { ${selection} } }`
    return (await waymark.ask<{ result: MutationResult }>(query, { input })).result
  }
  const start = (input: Record<string, unknown> = {}) => run('startSession', { userId, ...input })

  return {
    get waymark() {
      return waymark
    },
    get clock() {
      return clock
    },
    get userId() {
      return userId
    },
    run,
    start,
    startId: async (input) => (await start(input))['session'].sessionId as string,
    save: (input) => run('saveCheckpoint', { userId, itemId: '20', ...input }),
    async saveAll(inputs, variables) {
      const query = `mutation ($inputs: [SaveCheckpointInput!]!, $import: Boolean) {
        results: saveCheckpoints(inputs: $inputs, import: $import) { ${SAVED} } }`
      const whole = inputs.map((input) => ({ userId, itemId: '20', ...input }))
      return (await waymark.ask<{ results: MutationResult[] }>(query, { inputs: whole, ...variables })).results
    },
    async reap() {
      await waymark.database.query('UPDATE crawler.reaper SET ticked_at = crawler.clock(); SELECT crawler.reap()')
    },
    async plan() {
      const query = `query ($userId: String!) { resumePlan(userId: $userId) { ${PLAN} } }`
      return (await waymark.ask<{ resumePlan: Plan }>(query, { userId })).resumePlan
    },
    async session(sessionId) {
      const query = `query ($sessionId: String!) { session(sessionId: $sessionId) { ${SESSION} } }`
      return (await waymark.ask(query, { sessionId })).session
    },
    async checkpoint() {
      const query = `query ($userId: String!) { checkpoint(userId: $userId) { ${CHECKPOINT} } }`
      return (await waymark.ask(query, { userId })).checkpoint
    },
    revisions: (of = userId) =>
      waymark.database.query(
        `SELECT version, source, actor, last_item_id, bookmarks_count, session_id, epoch
        FROM crawler.checkpoint_revision WHERE user_id = $1 ORDER BY version`,
        [of],
      ),
  }
}
