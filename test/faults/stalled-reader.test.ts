import { afterAll, beforeAll, expect, it } from 'vitest'
import type { App } from '../../src/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { scrape } from '../support/metrics.ts'
import { longEvents, StallingSubscriber } from '../support/stalling-subscriber.ts'
import { startOn } from '../support/waymark.ts'

const READERS = 5
/** 15 MB to the one that takes nothing: the kernel's room for a socket is some 10. */
const EVENTS = 1_500
const SESSION = /"sessionId":"([^"]+)"/
const patience = { timeout: 30_000 }

let database: TestDatabase
let app: App
beforeAll(async () => {
  database = await createTestDatabase()
  app = await startOn(database.url, { METRICS_PORT: '0' })
  await database.query(`INSERT INTO public."user" VALUES ('alice')`)
})
afterAll(async () => {
  await app.close()
  await database[Symbol.asyncDispose]()
})

it(
  'who reads has every event while one that takes nothing is still waited for, and has a part',
  { timeout: 90_000 },
  async () => {
    const query = longEvents('sessionStatusChanged(after: $after)', 'sessionId')
    // Before the others, so that it would be the first to be served.
    using stalled = await StallingSubscriber.open(app.url, { query }, SESSION)
    stalled.stall()
    const short = { query: 'subscription { sessionStatusChanged { sessionId } }' }
    const readers = await Promise.all(
      Array.from({ length: READERS }, () => StallingSubscriber.open(app.url, short, SESSION)),
    )
    await database.query(
      `INSERT INTO crawler.crawl_session (session_id, user_id) SELECT n, 'alice' FROM generate_series(1, ${EVENTS}) n`,
    )
    await expect.poll(() => readers.map(({ told }) => told.length), patience).toEqual(readers.map(() => EVENTS))
    const streams = (await scrape(app.metricsUrl ?? '')).get('waymark_streams{transport="sse"}')
    expect(streams).toBe(READERS + 1)

    const all = Array.from({ length: EVENTS }, (_, place) => String(place + 1))
    for (const reader of readers) {
      expect(reader.told).toEqual(all)
      reader.leave()
    }
    // Ended where it stands, to see how far it was told.
    await app.close()
    stalled.goOn()
    await expect.poll(() => stalled.isClosed, patience).toBe(true)
    const told = stalled.told.filter((line) => !line.startsWith('{'))
    expect(told).toEqual(all.slice(0, told.length))
    expect(told.length).toBeLessThan(EVENTS)
  },
)
