import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { localOperator } from '../../../src/identity/principal.ts'
import { createWorld } from '../access/worlds.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { openStream, type StreamAnswer } from './sse.ts'

const NEVER_MS = 3_600_000
const STREAM = 'twitter/bookmarks'

interface Write {
  /** The mutation, or what the server does by itself. */
  readonly what: string
  readonly mutation?: string
  /** The feed that tells of it; none: neither does. */
  readonly feed?: 'checkpointChanged' | 'sessionStatusChanged'
  /** How many events it tells. Default: 1. */
  readonly events?: number
}

const save = (itemId: string) => `saveCheckpoint(input: { userId: "ann", itemId: "${itemId}" })`
const start = (sessionId: string) =>
  `startSession(input: { userId: "ann", sessionId: "${sessionId}", takeover: true, leaseSeconds: 3600 })`
const saves = 'saveCheckpoints(inputs: [{ userId: "ann", itemId: "22" }])'
const rollback = `rollbackCheckpoint(input: { userId: "ann", stream: "${STREAM}", toVersion: 1 })`
const stopAll = 'requestStopSessions(input: { filter: { userId: "ann" }, reason: "deployment" })'
const imported = `importCheckpoints(inputs: [{ userId: "ann", stream: "${STREAM}", lastItemId: "23", bookmarksCount: 1,
  lastCrawledAt: "2026-01-01T00:00:00Z", headItemIds: [], anchorItemIds: ["23"], complete: true }])`
const move = (from: string, to: string) =>
  `moveCheckpoint(input: { fromUserId: "${from}", toUserId: "${to}", stream: "${STREAM}" })`
const prune = 'pruneSessions(input: { completedBefore: "2026-01-01T00:00:00Z" })'

const pause = `pauseCrawl(input: { userId: "ann", until: "${new Date(Date.now() + 3_600_000).toISOString()}" })`
const unpause = 'unpauseCrawl(input: { userId: "ann" })'

/** In this order. */
const WRITES: readonly Write[] = [
  { what: 'registerUser', mutation: 'registerUser(input: { userId: "ann" })' },
  { what: 'saveCheckpoint', mutation: save('21'), feed: 'checkpointChanged' },
  { what: 'saveCheckpoints', mutation: saves, feed: 'checkpointChanged' },
  { what: 'rollbackCheckpoint', mutation: rollback, feed: 'checkpointChanged' },
  { what: 'importCheckpoints', mutation: imported, feed: 'checkpointChanged' },
  { what: 'registerUser', mutation: 'registerUser(input: { userId: "bob" })' },
  { what: 'moveCheckpoint', mutation: move('ann', 'bob'), feed: 'checkpointChanged', events: 2 },
  { what: 'moveCheckpoint', mutation: move('bob', 'ann'), feed: 'checkpointChanged', events: 2 },
  { what: 'clearCheckpoint', mutation: 'clearCheckpoint(input: { userId: "ann" })', feed: 'checkpointChanged' },
  { what: 'pauseCrawl', mutation: pause, feed: 'checkpointChanged' },
  // A pause that is changed is no event.
  { what: 'pauseCrawl', mutation: pause },
  { what: 'unpauseCrawl', mutation: unpause, feed: 'checkpointChanged' },
  { what: 'unpauseCrawl', mutation: unpause },
  { what: 'startSession', mutation: start('one'), feed: 'sessionStatusChanged' },
  { what: 'heartbeat', mutation: 'heartbeat(input: { sessionId: "one" })' },
  { what: 'requestStop', mutation: 'requestStop(input: { sessionId: "one" })', feed: 'sessionStatusChanged' },
  { what: 'stopSession', mutation: 'stopSession(input: { sessionId: "one" })', feed: 'sessionStatusChanged' },
  { what: 'startSession', mutation: start('two'), feed: 'sessionStatusChanged' },
  { what: 'requestStopSessions', mutation: stopAll, feed: 'sessionStatusChanged' },
  { what: 'completeSession', mutation: 'completeSession(input: { sessionId: "two" })', feed: 'sessionStatusChanged' },
  { what: 'startSession', mutation: start('three'), feed: 'sessionStatusChanged' },
  {
    what: 'failSession',
    mutation: 'failSession(input: { sessionId: "three", errorMessage: "cut off" })',
    feed: 'sessionStatusChanged',
  },
  { what: 'pruneSessions', mutation: prune, feed: 'sessionStatusChanged' },
  { what: 'configureStream', mutation: 'configureStream(input: { name: "reddit/saved", ordering: NONE })' },
]

const OLD_SESSION = `INSERT INTO crawler.crawl_session (session_id, user_id, started_at, completed_at, status)
  VALUES ('old', 'ann', '2025-01-01', '2025-01-02', 'completed')`

describe('the write path', () => {
  it('is asked for each mutation of the API', () => {
    const mutations = Object.keys(schema.getMutationType()?.getFields() ?? {})
    expect([...new Set(WRITES.map(({ what }) => what))].sort()).toEqual(mutations.sort())
  })

  it('is the only way to write: each mutation succeeds where whatever else is sent may only read', async () => {
    await using world = await createWorld({ readOnly: true })
    for (const { what, mutation } of WRITES) {
      if (what === 'pruneSessions') await world.database.query(OLD_SESSION)
      const { data, errors } = await world.ask(localOperator, `mutation { result: ${mutation ?? ''} { __typename } }`)
      expect(errors).toBeUndefined()
      expect(JSON.stringify(data)).toMatch(/"__typename":"\w+Success"/)
    }
  })

  describe('tells watchers at once, where the feed never looks by itself', () => {
    let waymark: TestWaymark
    const leave = new AbortController()
    const feeds = new Map<string, AsyncGenerator<StreamAnswer<unknown>, void>>()
    beforeAll(async () => {
      waymark = await startWaymark({ SESSION_RETENTION_DAYS: '1' }, { tickMs: NEVER_MS, pruneEachMs: 500 })
      for (const feed of ['checkpointChanged', 'sessionStatusChanged']) {
        const query = `subscription { ${feed} { kind } }`
        feeds.set(feed, await openStream(waymark.url, { query }, leave.signal))
      }
    })
    afterAll(async () => {
      leave.abort()
      await waymark[Symbol.asyncDispose]()
    })

    const nextOf = async (feed: string) => (await feeds.get(feed)?.next())?.value?.data

    it.each(WRITES.filter(({ what }) => what !== 'pruneSessions'))(
      'of $what',
      async ({ mutation, feed, events = 1 }) => {
        const { result } = await waymark.ask(`mutation { result: ${mutation ?? ''} { __typename } }`)
        expect([result].flat()[0].__typename).toMatch(/Success$/)
        for (let n = 0; feed && n < events; n += 1) {
          expect(await nextOf(feed)).toEqual({ [feed]: { kind: expect.any(String) as string } })
        }
      },
    )

    it('of sessions that are pruned, by whoever asks or by retention', async () => {
      await waymark.database.query(OLD_SESSION)
      expect(await nextOf('sessionStatusChanged')).toEqual({ sessionStatusChanged: { kind: 'STARTED' } })
      expect(await nextOf('sessionStatusChanged')).toEqual({ sessionStatusChanged: { kind: 'DELETED' } })
    })

    it('of a session that the reaper ends', async () => {
      // A reaper that has just begun, or was held up, gives each session a whole lease first: a short one here.
      await waymark.ask(`mutation { ${start('silent').replace('3600', '10')} { __typename } }`)
      expect(await nextOf('sessionStatusChanged')).toEqual({ sessionStatusChanged: { kind: 'STARTED' } })
      await waymark.database.query(
        `UPDATE crawler.crawl_session SET lease_expires_at = now() - interval '1 hour' WHERE session_id = 'silent'`,
      )
      expect(await nextOf('sessionStatusChanged')).toEqual({ sessionStatusChanged: { kind: 'STATUS_CHANGED' } })
    })

    it('of a session that the reaper ends in the look that ends an outage', async () => {
      await waymark.ask(`mutation { ${start('silent too')} { __typename } }`)
      expect(await nextOf('sessionStatusChanged')).toEqual({ sessionStatusChanged: { kind: 'STARTED' } })
      await waymark.database.query(
        `BEGIN; UPDATE crawler.reaper SET ticked_at = crawler.clock() - interval '10 seconds';
        UPDATE crawler.crawl_session SET lease_expires_at = crawler.clock() - interval '1 hour' WHERE session_id = 'silent too';
        COMMIT`,
      )
      expect(await nextOf('sessionStatusChanged')).toEqual({ sessionStatusChanged: { kind: 'STATUS_CHANGED' } })
    })
  })
})
