import { beforeAll, describe, expect, it } from 'vitest'
import { setUpCrawls } from '../../support/crawls.ts'

const REASONS = ['LOOP', 'NO_PROGRESS'] as const

/** Every state that counts, in all combinations. Its times are relative to now. */
const STATES = {
  status: ['running', 'completed', 'failed'],
  epoch: [0, 7],
  lease: [null, -3600, 3600],
  leaseSeconds: [null, 60],
  moved: [null, -3600, -10],
  limited: [null, -10, 3600],
  hits: [2, 3],
  empty: [99, 100],
} as const
type State = { readonly [Name in keyof typeof STATES]: (typeof STATES)[Name][number] }

/** What the contract says, of sessions that were started an hour ago. */
function reasonOf({ status, epoch, lease, leaseSeconds, moved, limited, hits, empty }: State): string | null {
  if (status !== 'running' || epoch === 0 || (lease ?? 0) <= 0) return null
  if (hits >= 3 || empty >= 100) return 'LOOP'
  return leaseSeconds !== null && (limited ?? 0) <= 0 && (moved ?? -3600) < -300 ? 'NO_PROGRESS' : null
}

function combinations(): State[] {
  return Object.entries(STATES).reduce<object[]>(
    (states, [name, values]) => states.flatMap((state) => values.map((value) => ({ ...state, [name]: value }))),
    [{}],
  ) as State[]
}

describe('the reason why a session is stalled', () => {
  const crawls = setUpCrawls()
  const states = new Map(combinations().map((state, place) => [`state-${place}`, state]))
  let shown: Map<string, { stalled: boolean; stallReason: string | null }>

  async function list(filter: Record<string, unknown>) {
    const found = new Map<string, { stalled: boolean; stallReason: string | null }>()
    for (let after: string | null = null; ;) {
      const page: { totalCount: number; nodes: any[]; pageInfo: { hasNextPage: boolean; endCursor: string } } = (
        await crawls.waymark.ask(
          `query ($filter: CrawlSessionFilter, $after: String) { sessions(first: 100, after: $after, filter: $filter) {
            totalCount nodes { sessionId stalled stallReason } pageInfo { hasNextPage endCursor } } }`,
          { filter: { userId: 'states', ...filter }, after },
        )
      ).sessions
      for (const { sessionId, ...told } of page.nodes) found.set(sessionId, told)
      if (!page.pageInfo.hasNextPage) {
        expect(page.totalCount).toBe(found.size)
        return found
      }
      after = page.pageInfo.endCursor
    }
  }

  beforeAll(async () => {
    await crawls.waymark.database.query(
      `WITH owner AS (INSERT INTO public."user" VALUES ('states') RETURNING id)
      INSERT INTO crawler.crawl_session (session_id, user_id, stream, started_at, status, epoch, lease_seconds, lease_expires_at,
        position_moved_at, rate_limited_until, loop_hits, empty_saves)
      SELECT s.id, owner.id, 'twitter/bookmarks', now() - interval '1 hour', s.status, s.epoch, s."leaseSeconds",
        now() + s.lease * interval '1 s', now() + s.moved * interval '1 s', now() + s.limited * interval '1 s', s.hits, s.empty
      FROM owner, json_to_recordset($1) AS s (id text, status text, epoch integer, lease float, "leaseSeconds" integer, moved float,
        limited float, hits integer, empty integer)`,
      [JSON.stringify([...states].map(([id, state]) => ({ id, ...state })))],
    )
    shown = await list({})
  })

  it('is LOOP before NO_PROGRESS, of a live session alone, and `stalled` says whether there is one', () => {
    expect(shown.size).toBe(1_296)
    const expected = [...states].map(([id, state]) => [
      id,
      { stalled: reasonOf(state) !== null, stallReason: reasonOf(state) },
    ])
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected))
  })

  it('is what lists filter by: alone, together, none, and by its opposite', async () => {
    const idsWith = (...reasons: (string | null)[]) =>
      [...states]
        .filter(([, state]) => reasons.includes(reasonOf(state)))
        .map(([id]) => id)
        .sort()
    const idsBy = async (filter: Record<string, unknown>) => [...(await list(filter)).keys()].sort()
    for (const reason of REASONS) expect(await idsBy({ stallReason: [reason] })).toEqual(idsWith(reason))
    expect(await idsBy({ stallReason: [...REASONS] })).toEqual(idsWith(...REASONS))
    expect(await idsBy({ stallReason: [] })).toEqual([])
    expect(await idsBy({ stallReason: null })).toHaveLength(states.size)
    expect(await idsBy({ stalled: true })).toEqual(idsWith(...REASONS))
    expect(await idsBy({ stalled: false })).toEqual(idsWith(null))
    expect(await idsBy({ stalled: null })).toHaveLength(states.size)
    expect(await idsBy({ stalled: false, stallReason: ['LOOP'] })).toEqual([])
  })

  const save = (input: Record<string, unknown>) =>
    crawls.waymark.ask(
      `mutation ($input: SaveCheckpointInput!) { saved: saveCheckpoint(input: $input) {
        __typename ... on UserError { code } ... on SaveCheckpointSuccess { saved: session { stallReason } } ... on TokenSavedSuccess { kept: session { stallReason } } } }`,
      { input: { userId: crawls.userId, ...input } },
    )
  const reasonNow = async (sessionId: string) => {
    const { sessions } = await crawls.waymark.ask(
      `query ($filter: CrawlSessionFilter) { sessions(filter: $filter) { nodes { sessionId stallReason } } }`,
      { filter: { userId: crawls.userId, stallReason: [...REASONS] } },
    )
    const { session } = await crawls.waymark.ask(
      `query ($id: String!) { session(sessionId: $id) { stalled stallReason } }`,
      { id: sessionId },
    )
    expect(session.stalled).toBe(session.stallReason !== null)
    expect(sessions.nodes).toEqual(session.stalled ? [{ sessionId, stallReason: session.stallReason }] : [])
    return session.stallReason as string | null
  }

  it('is LOOP once the tokens go round, also while it is rate limited, and until the session ends', async () => {
    const sessionId = await crawls.startId({ leaseSeconds: 3600 })
    let saves = 0
    while ((await reasonNow(sessionId)) === null && saves < 100) {
      await save({ sessionId, itemId: String(20 + saves), bookmarksAdded: 1, pageToken: `page ${saves % 4}` })
      saves += 1
    }
    expect(await reasonNow(sessionId)).toBe('LOOP')
    await save({
      sessionId,
      itemId: '500',
      pageToken: 'new',
      rateLimitedUntil: new Date(Date.now() + 60_000).toISOString(),
    })
    expect(await reasonNow(sessionId)).toBe('LOOP')
    await crawls.run('stopSession', { sessionId })
    expect(await reasonNow(sessionId)).toBeNull()
  })

  it('is LOOP from the 100th save without an item in a row on, until one has an item', async () => {
    const sessionId = await crawls.startId({ leaseSeconds: 3600 })
    for (let empty = 1; empty <= 99; empty += 1) await save({ sessionId, pageToken: `empty ${empty}` })
    expect(await reasonNow(sessionId)).toBeNull()
    await save({ sessionId, pageToken: 'empty 100' })
    expect(await reasonNow(sessionId)).toBe('LOOP')
    await save({ sessionId, itemId: '20', pageToken: 'more' })
    expect(await reasonNow(sessionId)).toBeNull()
  })
})
