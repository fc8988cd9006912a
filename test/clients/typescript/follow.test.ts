import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FollowEvent, Waymark } from '../../../clients/typescript/src/index.ts'
import { resetFeed } from '../../../src/events/reset.ts'
import { createTestDatabase } from '../../support/database.ts'
import { findFreePort } from '../../support/free-port.ts'
import { type ServerProcess, startServer } from '../../support/server-process.ts'
import { clientOf, mutate, startWaymark, type TestWaymark } from '../../support/waymark.ts'

let server: TestWaymark
let waymark: Waymark
let markers = 0
beforeAll(async () => {
  server = await startWaymark()
  waymark = new Waymark({ url: server.url })
  for (const userId of ['alice', 'bob', 'carol', 'marker']) await mutate(server, 'registerUser', { userId })
})
afterAll(() => server[Symbol.asyncDispose]())

const save = (userId: string, itemId: string) => mutate(server, 'saveCheckpoint', { userId, itemId })
/** What an event says, in a word or two. */
function wordsOf(
  event: FollowEvent<{ userId: string; lastItemId?: string }, { userId: string; lastItemId?: string | null }>,
) {
  if (event.type === 'row') return `row ${event.row.userId} ${event.row.lastItemId}`
  if (event.type === 'change') return `change ${event.change.userId} ${event.change.lastItemId}`
  return event.type
}
/** A cursor after which nothing has changed yet. That of a list may be older: what the list shows may come again. */
async function cursorNow(): Promise<string> {
  markers += 1
  const itemId = String(markers)
  for await (const event of waymark.follow('checkpoints', { filter: { userId: 'marker' } })) {
    if (event.type === 'listed') await save('marker', itemId)
    if (event.type === 'change' && event.change.lastItemId === itemId) return event.cursor
  }
  throw new Error('the loop ended before the marker')
}

describe('follow', () => {
  it('tells the rows, then every change; with a cursor only what changed after it', async () => {
    await save('alice', '1')
    await save('bob', '2')
    const told: string[] = []
    let cursor = ''
    for await (const event of waymark.follow('checkpoints')) {
      // What the list shows already may come again.
      if (event.type === 'change' && event.change.lastItemId !== '3') continue
      told.push(wordsOf(event))
      if (event.type === 'listed') await save('alice', '3')
      if (event.type === 'change') {
        cursor = event.cursor
        expect(event.change).toMatchObject({ kind: 'SAVED', checkpoint: { lastItemId: '3', version: 2 } })
        break
      }
    }
    expect(told).toEqual(['reset', 'row bob 2', 'row alice 1', 'listed', 'change alice 3'])
    await save('bob', '4')
    await save('alice', '5')
    const stop = new AbortController()
    const after: string[] = []
    for await (const event of waymark.follow('checkpoints', {
      after: cursor,
      filter: { userId: 'bob' },
      signal: stop.signal,
    })) {
      after.push(wordsOf(event))
      stop.abort()
    }
    expect(after).toEqual(['change bob 4'])
  })

  it('follows sessions, by a filter', async () => {
    const { session } = await mutate(server, 'startSession', { userId: 'alice' })
    const told: unknown[] = []
    for await (const event of waymark.follow('sessions', { filter: { userId: 'alice', status: ['RUNNING'] } })) {
      if (event.type === 'row') told.push(event.row.status)
      if (event.type === 'listed') await mutate(server, 'stopSession', { sessionId: session.sessionId })
      if (event.type !== 'change' || event.change.status === 'RUNNING') continue
      told.push([event.change.previousStatus, event.change.status, event.change.session?.endReason])
      break
    }
    expect(told).toEqual(['RUNNING', ['RUNNING', 'STOPPED', 'REPORTED']])
  })

  it('closes its stream where the body throws, and ends without an error on an abort', async () => {
    const signals: AbortSignal[] = []
    const fetch: typeof globalThis.fetch = (url, init) => {
      if ((init?.body as string).includes('subscription') && init?.signal) signals.push(init.signal)
      return globalThis.fetch(url, init)
    }
    const watched = new Waymark({ url: server.url, fetch })
    const after = await cursorNow()
    await save('alice', '11')
    const failing = async () => {
      for await (const event of watched.follow('checkpoints', { after }))
        throw new Error(`of the body at ${event.type}`)
    }
    await expect(failing()).rejects.toThrow('of the body at change')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    // What was not kept comes again.
    const again = await watched.follow('checkpoints', { after }).next()
    expect(again.value).toMatchObject({ type: 'change', change: { lastItemId: '11' } })
    const stop = new AbortController()
    const loop = async () => {
      for await (const event of watched.follow('checkpoints', { signal: stop.signal }))
        if (event.type === 'listed') setTimeout(() => stop.abort(), 50)
    }
    await expect(loop()).resolves.toBeUndefined()
    const begun = watched.follow('checkpoints', { signal: AbortSignal.abort() })
    expect(await begun.next()).toEqual({ done: true, value: undefined })
  })

  it('begins again with a reset where the cursor has expired', async () => {
    const filter = { userId: 'carol' }
    const after = await cursorNow()
    await save('carol', '9')
    const told: string[] = []
    for await (const event of waymark.follow('checkpoints', { after, filter })) {
      told.push(wordsOf(event))
      if (told.length === 1) await resetFeed({ databaseUrl: server.database.url })
      if (event.type === 'listed') await save('carol', '10')
      if (told.at(-1) === 'change carol 10') break
    }
    expect(told).toEqual(['change carol 9', 'reset', 'row carol 9', 'listed', 'change carol 10'])
  })

  it(
    'misses nothing and repeats nothing over a server that is killed and started again',
    { timeout: 120_000 },
    async () => {
      await using database = await createTestDatabase()
      const env = { DATABASE_URL: database.url, PORT: String(await findFreePort()), LOG_LEVEL: 'error' }
      await using first = await startServer(env)
      const caller = clientOf(first.url)
      const { url } = first
      let second: ServerProcess | undefined
      await mutate(caller, 'registerUser', { userId: 'dave' })
      const told: string[] = []
      for await (const event of new Waymark({ url }).follow('checkpoints')) {
        told.push(wordsOf(event))
        if (event.type === 'listed') await mutate(caller, 'saveCheckpoint', { userId: 'dave', itemId: '1' })
        if (told.at(-1) === 'change dave 1') {
          first.child.kill('SIGKILL')
          await first.exited
          await database.query(`UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '2'`)
          await database.query(`UPDATE crawler.twitter_crawl_checkpoint SET last_tweet_id = '3'`)
          second = await startServer(env)
        }
        if (told.at(-1) === 'change dave 3') break
      }
      await second?.[Symbol.asyncDispose]()
      expect(told).toEqual(['reset', 'listed', 'change dave 1', 'change dave 2', 'change dave 3'])
    },
  )

  it('throws what no repeat can help, and waits for a server only for its budget before it has reached one', async () => {
    await expect(waymark.follow('checkpoints', { after: 'no cursor' }).next()).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
    })
    const nowhere = new Waymark({ url: 'http://127.0.0.1:9/graphql', retry: { budgetMs: 300 } })
    await expect(nowhere.follow('sessions').next()).rejects.toMatchObject({ name: 'UnavailableError' })
    await expect(nowhere.follow('sessions', { after: 'x' }).next()).rejects.toMatchObject({ name: 'UnavailableError' })
  })
})
