import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { rounds } from '../faults/rounds.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { type Fight, fight } from './rival-crawler.ts'

/** How much longer a slow machine may take until every way to lose a stream has come. */
const PATIENCE_SECONDS = 60
/** Every way to lose a stream comes in 20 s, or is waited for. A minute meets it on each of the streams. */
const SECONDS = Number(process.env['HISTORY_SECONDS'] ?? rounds(60, 20))
const CRAWLERS = 8
const USER = 'fought-over'
const STREAMS = ['twitter/bookmarks', 'twitter/likes', 'mastodon/bookmarks', 'other/list']
const KILLS = 2

const HAPPENINGS = ['saved', 'retried', 'killed', 'STREAM_BUSY', 'STALE_EPOCH', 'completed']
const END_REASONS = ['REPORTED', 'TAKEN_OVER', 'LEASE_EXPIRED']

interface Revision {
  stream: string
  version: number
  source: string
  epoch: number
  bookmarks_count: number
  bookmarks_added: number
  recorded_at: Date
}

it(
  `tells one story of ${CRAWLERS} crawlers that fight for ${STREAMS.length} streams and die, as their server does`,
  { timeout: (SECONDS + PATIENCE_SECONDS + 120) * 1000 },
  async () => {
    await using database = await createTestDatabase()
    await database.query('INSERT INTO public."user" (id) VALUES ($1)', [USER])
    const shared = await haveThemFight(database)
    const { ledger, happened } = shared
    const told = JSON.stringify(Object.fromEntries(happened))

    const revisions = await database.query<Revision>(
      `SELECT stream, version, source, epoch, bookmarks_count, bookmarks_added, recorded_at
      FROM crawler.checkpoint_revision WHERE user_id = $1 ORDER BY stream, version`,
      [USER],
    )
    const stored = await database.query<{ stream: string; bookmarks_count: number }>(
      'SELECT stream, bookmarks_count FROM crawler.crawl_checkpoint WHERE user_id = $1',
      [USER],
    )
    const keys = await database.query<{ key: string }>('SELECT key FROM crawler.idempotency_key WHERE user_id = $1', [
      USER,
    ])
    const written = new Set(keys.map(({ key }) => key))
    // Where no answer came, the key says whether the save was written; where one came, it must say the same.
    const wrong = ledger.filter(({ state, key }) => state !== 'unheard' && written.has(key) !== (state === 'accepted'))
    expect(wrong, told).toEqual([])

    for (const stream of STREAMS) {
      const history = revisions.filter((revision) => revision.stream === stream)
      expect(
        history.map(({ version }) => version),
        `versions of ${stream}`,
      ).toEqual(history.map((_, place) => place + 1))
      const epochs = history.map(({ epoch }) => epoch)
      expect(epochs, `an older epoch wrote after a newer one on ${stream}`).toEqual(epochs.toSorted((a, b) => a - b))
      const times = history.map(({ recorded_at }) => recorded_at.getTime())
      expect(times).toEqual(times.toSorted((a, b) => a - b))

      const accepted = ledger.filter((entry) => entry.stream === stream && written.has(entry.key))
      const sum = accepted.reduce((total, { added }) => total + added, 0)
      expect(stored.find((row) => row.stream === stream)?.bookmarks_count, `${stream}: ${told}`).toBe(sum)
      // Each accepted save counted something: one revision each, however often it was sent.
      const saves = history.filter(({ source }) => source === 'SAVE')
      expect(saves).toHaveLength(accepted.length)
      expect(saves.reduce((total, { bookmarks_added }) => total + bookmarks_added, 0)).toBe(sum)
      expect(history.at(-1)?.bookmarks_count).toBe(sum)
    }

    const sessions = await database.query<{ stream: string; epoch: number; end_reason: string | null; status: string }>(
      'SELECT stream, epoch, end_reason, status FROM crawler.crawl_session WHERE user_id = $1',
      [USER],
    )
    const taken = sessions.map(({ stream, epoch }) => `${stream} ${epoch}`)
    expect(new Set(taken).size).toBe(taken.length)
    for (const stream of STREAMS) {
      const running = sessions.filter((session) => session.stream === stream && session.status === 'running')
      expect(running.length).toBeLessThanOrEqual(1)
    }
    // It was a fight: saves were refused to those who had lost their stream, and every way to lose one has come.
    for (const what of HAPPENINGS) expect(happened.get(what) ?? 0, `${what}: ${told}`).toBeGreaterThan(0)
    const ends = new Set(sessions.map((session) => session.end_reason))
    expect([...ends], told).toEqual(expect.arrayContaining(END_REASONS))
  },
)

/** Resolves when all have stopped, and the server has written what it had taken in. */
async function haveThemFight(database: TestDatabase): Promise<Fight> {
  const serve = () => startServer({ DATABASE_URL: database.url })
  let server: ServerProcess = await serve()
  try {
    let over = false
    let url = server.url
    const shared: Fight = {
      userId: USER,
      streams: STREAMS,
      url: () => url,
      isOver: () => over,
      ledger: [],
      happened: new Map(),
    }
    const crawlers = Promise.all(Array.from({ length: CRAWLERS }, () => fight(shared)))
    for (let kills = 0; kills < KILLS; kills += 1) {
      await Promise.race([sleep((SECONDS * 1000) / (KILLS + 1)), crawlers])
      server.child.kill('SIGKILL')
      await server.exited
      server = await serve()
      url = server.url
    }
    await Promise.race([sleep((SECONDS * 1000) / (KILLS + 1)), crawlers])
    const patience = AbortSignal.timeout(PATIENCE_SECONDS * 1000)
    while (!patience.aborted && !(await allHasCome(database, shared))) await sleep(500)
    over = true
    await crawlers
    server.child.kill('SIGTERM')
    await server.exited
    return shared
  } finally {
    await server[Symbol.asyncDispose]()
  }
}

async function allHasCome(database: TestDatabase, { happened }: Fight): Promise<boolean> {
  const ended = await database.query<{ end_reason: string | null }>(
    'SELECT DISTINCT end_reason FROM crawler.crawl_session',
  )
  const ends = new Set(ended.map(({ end_reason }) => end_reason))
  return HAPPENINGS.every((what) => happened.has(what)) && END_REASONS.every((reason) => ends.has(reason))
}
