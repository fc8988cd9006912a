import { controlClock } from '../../support/clock.ts'
import { letWritersWait } from '../../support/database.ts'
import { mutate, type MutationResult, startWaymark, type TestWaymark } from '../../support/waymark.ts'

/** Every field of a checkpoint that a move carries, and so does an export. */
const CARRIED = `lastItemId bookmarksCount lastCrawledAt createdAt lastCompletedAt pageToken headItemIds anchorItemIds complete
  fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } lastItemPublishedAt`
const REFUSED = '__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }'
const BUSY = '... on StreamBusyError { owner { sessionId } }'
const CHECKPOINT = `id userId stream version epoch liveSession { sessionId } ${CARRIED}`

const operations = {
  moveCheckpoint: [
    'MoveCheckpointInput!',
    `${REFUSED} ${BUSY} ... on MoveCheckpointSuccess { moved { previousNodeId checkpoint { ${CHECKPOINT} } } }
     ... on CheckpointExistsError { checkpoint { ${CHECKPOINT} } }`,
  ],
  rollbackCheckpoint: [
    'RollbackCheckpointInput!',
    `${REFUSED} ${BUSY} ... on RollbackCheckpointSuccess { checkpoint { ${CHECKPOINT} } revision { version } }`,
  ],
  saveCheckpoint: [
    'SaveCheckpointInput!',
    `${REFUSED} ${BUSY} ... on SaveCheckpointSuccess { replayed checkpoint { version bookmarksCount } }
     ... on StaleEpochError { currentEpoch }`,
  ],
  heartbeat: ['HeartbeatInput!', `${REFUSED} ... on StaleEpochError { currentEpoch }`],
  startSession: [
    'StartSessionInput!',
    `${REFUSED} ${BUSY} ... on StartSessionSuccess { session { sessionId epoch attempt resumedFrom { sessionId } }
      plan { mode afterItemId pageToken untilItemIds } }`,
  ],
} as const

/** What the tests of moves ask of a server whose clock they move. */
export interface Lists extends AsyncDisposable {
  readonly waymark: TestWaymark
  readonly clock: Awaited<ReturnType<typeof controlClock>>
  /** A registered user of the test's own. */
  readonly user: () => Promise<string>
  readonly run: (operation: keyof typeof operations, input: Record<string, unknown>) => Promise<MutationResult>
  readonly checkpoint: (userId: string, stream?: string) => Promise<Record<string, any> | null>
  /** Only what a move carries. */
  readonly carried: (userId: string, stream?: string) => Promise<Record<string, any> | null>
  /** [version, source, lastItemId, bookmarksCount], the newest first. */
  readonly history: (userId: string, stream?: string) => Promise<unknown[][]>
  readonly pause: (userId: string, until: string, stream?: string, reason?: string) => Promise<void>
  /** [until, reason, paused_by] */
  readonly pauseOf: (userId: string, stream?: string) => Promise<unknown[] | undefined>
  /** A list with everything that a state can hold: an unfinished crawl above anchors, with a catch-up beside it. */
  readonly fillList: (userId: string, stream?: string) => Promise<void>
}

const DEFAULT = 'twitter/bookmarks'
export const PAUSED_UNTIL = '2030-01-02T03:04:05.000Z'

export async function startLists(): Promise<Lists> {
  const waymark = await startWaymark()
  const clock = await controlClock(waymark.database)
  await letWritersWait(waymark.database)
  let users = 0

  const run: Lists['run'] = async (operation, input) => {
    const [type, selection] = operations[operation]
    const query = `mutation ($input: ${type}) { result: ${operation}(input: $input) { ${selection} } }`
    return (await waymark.ask<{ result: MutationResult }>(query, { input })).result
  }
  const read = async (selection: string, userId: string, stream: string) => {
    const query = `query ($userId: String!, $stream: String!) { checkpoint(userId: $userId, stream: $stream) { ${selection} } }`
    return (await waymark.ask(query, { userId, stream })).checkpoint as Record<string, any> | null
  }
  const start = async (input: Record<string, unknown>) =>
    (await run('startSession', input))['session'].sessionId as string

  return {
    ...{ waymark, clock, run },
    async user() {
      const userId = `user-${(users += 1)}`
      await mutate(waymark, 'registerUser', { userId })
      return userId
    },
    checkpoint: (userId, stream = DEFAULT) => read(CHECKPOINT, userId, stream),
    carried: (userId, stream = DEFAULT) => read(CARRIED, userId, stream),
    async history(userId, stream = DEFAULT) {
      const query = `query ($userId: String!, $stream: String!) { checkpointHistory(userId: $userId, stream: $stream) {
        nodes { version source lastItemId bookmarksCount } } }`
      const { checkpointHistory } = await waymark.ask(query, { userId, stream })
      return (checkpointHistory.nodes as Record<string, unknown>[]).map((node) => Object.values(node))
    },
    async pause(userId, until, stream = DEFAULT, reason = 'a rest') {
      await waymark.database.query(`INSERT INTO crawler.crawl_pause VALUES ($1, $2, $3, $4, 'operator')`, [
        ...[userId, stream, until, reason],
      ])
    },
    async pauseOf(userId, stream = DEFAULT) {
      const [row] = await waymark.database.query<{ until: Date; reason: string; paused_by: string }>(
        'SELECT until, reason, paused_by FROM crawler.crawl_pause WHERE user_id = $1 AND stream = $2',
        [userId, stream],
      )
      return row && [row.until.toISOString(), row.reason, row.paused_by]
    },
    async fillList(userId, stream = DEFAULT) {
      const of = { userId, stream }
      const first = await start(of)
      await run('saveCheckpoint', {
        ...of,
        sessionId: first,
        itemId: '30',
        bookmarksAdded: 3,
        headItemIds: ['30', '29', '28'],
      })
      await mutate(waymark, 'completeSession', { sessionId: first })
      const second = await start(of)
      const page = { itemId: '60', bookmarksAdded: 5, pageToken: 'older', headItemIds: ['60', '59', '58'] }
      await run('saveCheckpoint', { ...of, sessionId: second, ...page })
      await mutate(waymark, 'stopSession', { sessionId: second })
      const third = await start({ ...of, mode: 'CATCH_UP' })
      const top = { itemId: '80', bookmarksAdded: 1, pageToken: 'newer', headItemIds: ['80', '79', '78'] }
      await run('saveCheckpoint', { ...of, sessionId: third, ...top })
      await mutate(waymark, 'stopSession', { sessionId: third })
    },
    [Symbol.asyncDispose]: () => waymark[Symbol.asyncDispose](),
  }
}
