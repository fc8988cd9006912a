import { Writable } from 'node:stream'
import { pino } from 'pino'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { type FeedOptions, type OwnFeed, startFeed } from '../../../src/events/feed.ts'
import type { FeedEvent } from '../../../src/events/outbox.ts'
import { FeedWatch } from '../../../src/events/watch.ts'

export type LogLine = Record<string, unknown> & { readonly level: number; readonly msg: string }

/** The real reader over a pool of its own, without the server around it. */
export interface OpenFeed extends AsyncDisposable {
  readonly feed: OwnFeed
  readonly database: Database
  readonly log: readonly LogLine[]
  /** Everything from now on that a subscriber is told, until the feed is closed. */
  follow(): readonly FeedEvent[]
}

export async function openFeed(url: string, options: FeedOptions = {}): Promise<OpenFeed> {
  const log: LogLine[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(chunk.toString()) as LogLine)
      done()
    },
  })
  const logger = pino({ level: 'info' }, sink)
  const database = openDatabase({
    url,
    poolSize: 4,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 30_000,
    log: logger,
  })
  const feed = await startFeed(database, logger, options)
  return {
    feed,
    database,
    log,
    follow() {
      const told: FeedEvent[] = []
      void (async () => {
        for await (const event of new FeedWatch(feed, feed.position(), (every) => every)) told.push(event)
      })()
      return told
    },
    async [Symbol.asyncDispose]() {
      await feed.close()
      await database.close()
    },
  }
}
