import { createClient } from 'graphql-sse'
import { expect, it } from 'vitest'
import { mutate, startWaymark } from '../../support/waymark.ts'

interface Event {
  readonly cursor: string
  readonly sessionId: string
  readonly kind: string
}

it('the cursor of each event names its place in the log of the database, the same for every subscriber', async () => {
  await using waymark = await startWaymark()
  await mutate(waymark, 'registerUser', { userId: 'alice' })
  const watching = () => {
    const client = createClient({ url: waymark.url, retryAttempts: 0 })
    const events: Event[] = []
    const iterator = client.iterate<{ sessionStatusChanged: Event }>({
      query: 'subscription { sessionStatusChanged { cursor sessionId kind } }',
    })
    const reading = (async () => {
      for await (const { data } of iterator) if (data) events.push(data.sessionStatusChanged)
    })().catch(() => undefined)
    return { events, end: () => (client.dispose(), reading) }
  }
  const watchers = [watching(), watching()]
  // A subscription listens once it has told something; until then start another.
  await expect
    .poll(async () => {
      await mutate(waymark, 'startSession', { userId: 'alice', takeover: true })
      return watchers.every(({ events }) => events.length > 0)
    })
    .toBe(true)
  const { session } = (await mutate(waymark, 'startSession', { userId: 'alice', takeover: true })) as unknown as {
    session: { sessionId: string }
  }
  await mutate(waymark, 'stopSession', { sessionId: session.sessionId })
  const ofLast = (events: readonly Event[]) => events.filter(({ sessionId }) => sessionId === session.sessionId)
  await expect.poll(() => watchers.map(({ events }) => ofLast(events).length)).toEqual([2, 2])
  await Promise.all(watchers.map(({ end }) => end()))

  const [first, second] = watchers.map(({ events }) => ofLast(events))
  expect(first).toEqual(second)
  const stored = await waymark.database.query<{ cursor: string; kind: string }>(
    `SELECT generation || ':' || event_id AS cursor, replace(kind, 'SESSION_', '') AS kind
      FROM crawler.feed, crawler.feed_event WHERE session_id = $1 ORDER BY event_id`,
    [session.sessionId],
  )
  // The third part is a fingerprint of the event.
  const placeOf = (cursor: string) => /^(.+:\d+):[\w-]{8}$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1]
  expect(first?.map(({ cursor, kind }) => ({ cursor: placeOf(cursor), kind }))).toEqual(stored)
  expect(stored.map(({ kind }) => kind)).toEqual(['STARTED', 'STATUS_CHANGED'])
})
