import { type GraphQLObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeFeedCursor } from '../../../src/events/cursor.ts'
import { schema } from '../../../src/api/schema.ts'
import { openStream } from '../events/sse.ts'
import { mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

const SELECTED = {
  CheckpointEvent: `cursor kind occurredAt nodeId userId stream version lastItemId bookmarksCount
    checkpoint { id version lastItemId } session { sessionId status commits }`,
  SessionStatusEvent: `cursor kind occurredAt nodeId sessionId userId stream previousStatus status
    session { id status bookmarksProcessed }`,
}

const userId = 'alice'
const stream = 'twitter/bookmarks'
const fieldsOf = (event: object) => Object.keys(event).sort()
const fieldsOfType = (name: string) => Object.keys((schema.getType(name) as GraphQLObjectType).getFields()).sort()

describe('an event', () => {
  let waymark: TestWaymark
  let after: string
  let reads = 0
  beforeAll(async () => {
    waymark = await startWaymark()
    await mutate(waymark, 'registerUser', { userId })
    after = (await waymark.ask('{ checkpoints(first: 1) { feedCursor } }')).checkpoints.feedCursor
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  /** Every event since the beginning, with all of its fields. */
  async function read(field: string, selected: string, count: number): Promise<Record<string, any>[]> {
    const leave = new AbortController()
    // A name of its own each time: results are shared for a second between those who ask the same.
    const query = `subscription R${(reads += 1)}($after: String) { told: ${field}(after: $after) { ${selected} } }`
    const answers = await openStream<{ told: Record<string, any> }>(
      waymark.url,
      { query, variables: { after } },
      leave.signal,
    )
    const told: Record<string, any>[] = []
    for await (const { data, errors } of answers) {
      if (!data) throw new Error(JSON.stringify(errors))
      if (told.push(data.told) === count) break
    }
    leave.abort()
    return told
  }

  /** What the outbox holds of each: its place and time. */
  async function recorded(kinds: string): Promise<{ cursor: string; occurredAt: string }[]> {
    const rows = await waymark.database.query<{ generation: string; event_id: string; occurred_at: Date }>(
      `SELECT generation, event_id, occurred_at FROM crawler.feed, crawler.feed_event WHERE kind LIKE $1 ORDER BY event_id`,
      [kinds],
    )
    return rows.map(({ generation, event_id, occurred_at }) => ({
      cursor: `${generation} ${event_id}`,
      occurredAt: occurred_at.toISOString(),
    }))
  }

  function placed({ cursor, occurredAt }: Record<string, any>): { cursor: string; occurredAt: string } {
    const { generation, eventId } = decodeFeedCursor(cursor as string) ?? {}
    return { cursor: `${generation} ${eventId}`, occurredAt: new Date(occurredAt as string).toISOString() }
  }

  it('of a checkpoint has every field as it was then, and the checkpoint and session as they are: null once gone', async () => {
    const save = (input: object) => mutate(waymark, 'saveCheckpoint', { userId, ...input })
    const { session } = await mutate(waymark, 'startSession', { userId })
    const { sessionId } = session as { sessionId: string }
    const { checkpoint } = await save({ itemId: '20', bookmarksAdded: 7, sessionId })
    const { id } = checkpoint as { id: string }
    await mutate(waymark, 'stopSession', { sessionId })
    await waymark.ask(
      `mutation { saveCheckpoints(import: true, inputs: [{ userId: "${userId}", itemId: "30", bookmarksCount: 9, headItemIds: ["30"] }]) {
        __typename } }`,
    )
    await waymark.database.query(`UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '40'`)
    await waymark.ask(
      `mutation { rollbackCheckpoint(input: { userId: "${userId}", stream: "${stream}", toVersion: 1 }) { __typename } }`,
    )
    const now = { id, version: 4, lastItemId: '20' }
    const same = { nodeId: id, userId, stream, checkpoint: now, session: null }
    const live = await read('checkpointChanged', SELECTED.CheckpointEvent, 4)
    expect(live).toMatchObject([
      {
        ...{ ...same, kind: 'SAVED', version: 1, lastItemId: '20', bookmarksCount: 7 },
        session: { sessionId, status: 'STOPPED', commits: 1 },
      },
      { ...same, kind: 'SAVED', version: 2, lastItemId: '30', bookmarksCount: 9 },
      { ...same, kind: 'SAVED', version: 3, lastItemId: '40', bookmarksCount: 9 },
      { ...same, kind: 'ROLLED_BACK', version: 4, lastItemId: '20', bookmarksCount: 7 },
    ])
    const sources = await waymark.database.query<{ source: string }>(
      'SELECT source FROM crawler.checkpoint_revision ORDER BY version',
    )
    expect(sources.map(({ source }) => source)).toEqual(['SAVE', 'IMPORT', 'EXTERNAL', 'ROLLBACK'])

    await mutate(waymark, 'clearCheckpoint', { userId })
    await save({ itemId: '50' })
    await waymark.database.query('DELETE FROM crawler.twitter_crawl_checkpoint')
    const gone = await read('checkpointChanged', SELECTED.CheckpointEvent, 7)
    expect(gone).toMatchObject([
      ...live.map((event) => ({ ...event, checkpoint: null })),
      { ...same, kind: 'CLEARED', version: 5, lastItemId: null, bookmarksCount: 0, checkpoint: null },
      { ...same, kind: 'SAVED', version: 6, lastItemId: '50', bookmarksCount: 0, checkpoint: null },
      { ...same, kind: 'CLEARED', version: 7, lastItemId: null, bookmarksCount: 0, checkpoint: null },
    ])
    expect(gone.map(placed)).toEqual(await recorded('CHECKPOINT_%'))
    for (const event of gone) expect(fieldsOf(event)).toEqual(fieldsOfType('CheckpointEvent'))
  })

  it('of a session has every field as it was then, and the session as it is: null once gone', async () => {
    const [begun] = await waymark.database.query<{ sessionId: string }>(
      'SELECT session_id AS "sessionId" FROM crawler.crawl_session',
    )
    const sessionId = begun?.sessionId ?? ''
    const { session } = await mutate(waymark, 'startSession', { userId, sessionId: 'second' })
    const { id } = session as { id: string }
    await waymark.ask(`mutation { requestStop(input: { sessionId: "second" }) { __typename } }`)
    await mutate(waymark, 'heartbeat', { sessionId: 'second', bookmarksProcessed: 5 })
    await mutate(waymark, 'failSession', { sessionId: 'second', errorMessage: 'out of luck' })
    const told = await read('sessionStatusChanged', SELECTED.SessionStatusEvent, 5)
    const same = {
      ...{ nodeId: id, sessionId: 'second', userId, stream },
      session: { id, status: 'FAILED', bookmarksProcessed: 5 },
    }
    expect(told).toMatchObject([
      { sessionId, kind: 'STARTED', previousStatus: null, status: 'RUNNING' },
      { sessionId, kind: 'STATUS_CHANGED', previousStatus: 'RUNNING', status: 'STOPPED' },
      { ...same, kind: 'STARTED', previousStatus: null, status: 'RUNNING' },
      { ...same, kind: 'STOP_REQUESTED', previousStatus: 'RUNNING', status: 'RUNNING' },
      { ...same, kind: 'STATUS_CHANGED', previousStatus: 'RUNNING', status: 'FAILED' },
    ])

    await waymark.database.query(`DELETE FROM crawler.crawl_session WHERE session_id = 'second'`)
    const gone = await read('sessionStatusChanged', SELECTED.SessionStatusEvent, 6)
    expect(gone).toMatchObject([
      ...told.slice(0, 2),
      ...told.slice(2).map((event) => ({ ...event, session: null })),
      { ...same, kind: 'DELETED', previousStatus: 'FAILED', status: 'FAILED', session: null },
    ])
    expect(gone.map(placed)).toEqual(await recorded('SESSION_%'))
    for (const event of gone) expect(fieldsOf(event)).toEqual(fieldsOfType('SessionStatusEvent'))
  })
})
