import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { controlClock } from '../support/clock.ts'
import { compileCrawler, CrawlRun } from '../support/crawl-run.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { clientOf, mutate, type MutationResult } from '../support/waymark.ts'
import { startXApi } from '../support/x-api.ts'
import { rounds, tell } from './rounds.ts'

const FREEZES = rounds(50, 2)
/** Owners frozen at once: the rounds are short, and processes take long to start. */
const CREW = rounds(5, 2)
/** The shortest there is. The database's clock is moved over it, so that nobody waits. */
const LEASE_SECONDS = 5

describe('an owner that is frozen past its lease, while a rival takes its stream', () => {
  let database: TestDatabase
  let clock: Awaited<ReturnType<typeof controlClock>>
  let owners: ServerProcess
  let rivals: ServerProcess
  let folder: string
  beforeAll(async () => {
    database = await createTestDatabase()
    clock = await controlClock(database)
    const start = () => startServer({ DATABASE_URL: database.url, LOG_LEVEL: 'error' })
    ;[owners, rivals] = await Promise.all([start(), start()])
    folder = await mkdtemp(join(tmpdir(), 'waymark-frozen-'))
  })
  afterAll(async () => {
    await owners[Symbol.asyncDispose]()
    await rivals[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** Starts a session over the one whose lease has run out, and saves. */
  async function takeOver(userId: string): Promise<string> {
    for (;;) {
      const { __typename, code, session } = await mutate(clientOf(rivals.url), 'startSession', { userId })
      if (__typename === 'StartSessionSuccess') {
        await save(rivals, { userId, sessionId: session.sessionId as string, itemId: '2' })
        return session.sessionId as string
      }
      // Where the machine was so busy that nobody reaped for 5 s, the reaper has extended the lease.
      expect(code).toBe('STREAM_BUSY')
      await clock.advance(LEASE_SECONDS + 1)
    }
  }

  async function save(server: ServerProcess, input: Record<string, unknown>): Promise<MutationResult> {
    return mutate(clientOf(server.url), 'saveCheckpoint', { bookmarksAdded: 1, ...input })
  }

  /** @returns by whom its revisions were written, one letter each: o by the owner, r by the rival */
  async function writersOf(userId: string, rival: string): Promise<string> {
    const rows = await database.query<{ session_id: string; version: number }>(
      'SELECT version, session_id FROM crawler.checkpoint_revision WHERE user_id = $1 ORDER BY version',
      [userId],
    )
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, place) => place + 1))
    return rows.map(({ session_id }) => (session_id === rival ? 'r' : 'o')).join('')
  }

  it(`writes nothing after it wakes: a crawler's process, ${FREEZES} times`, { timeout: 900_000 }, async () => {
    const script = await compileCrawler(folder)
    for (let round = 0; round < FREEZES / CREW; round += 1) {
      const crew = await Promise.all(
        Array.from({ length: CREW }, async (_, place) => {
          const userId = `9${round}${place}`
          await mutate(clientOf(owners.url), 'registerUser', { userId })
          const api = await startXApi({ userId, delayMs: 3 })
          const run = new CrawlRun({
            script,
            env: {
              WAYMARK_URL: owners.url,
              X_API_URL: api.url,
              X_TOKEN: api.token,
              LEASE_SECONDS: String(LEASE_SECONDS),
            },
            args: [userId, join(folder, `${userId}.txt`), '10'],
          })
          return { userId, api, run }
        }),
      )
      try {
        await Promise.all(
          crew.map(async ({ run }) => {
            await run.processing(randomInt(2, 8))
            await delay(randomInt(10))
            run.freeze()
          }),
        )
        await clock.advance(LEASE_SECONDS + 1)
        for (const { userId, run } of crew) {
          const rival = await takeOver(userId)
          run.thaw()
          expect(await run.ended).not.toBe(0)
          expect(run.errors).toContain('LostError')
          await save(rivals, { userId, sessionId: rival, itemId: '3' })
          expect(await writersOf(userId, rival)).toMatch(/^o+rr$/)
        }
      } finally {
        for (const { run, api } of crew) {
          await run[Symbol.asyncDispose]()
          await api[Symbol.asyncDispose]()
        }
      }
    }
    tell(`fault 5: ${FREEZES} crawlers frozen past their lease: 0 writes by the old owner`)
  })

  it(
    `nor do its saves that a frozen server had taken: ${FREEZES} times, with saves in every state between socket and COMMIT`,
    { timeout: 900_000 },
    async () => {
      let stale = 0
      for (let freeze = 0; freeze < FREEZES; freeze += 1) {
        const users = Array.from({ length: CREW }, (_, place) => `frozen-${freeze}-${place}`)
        const crew = await Promise.all(
          users.map(async (userId) => {
            await mutate(clientOf(owners.url), 'registerUser', { userId })
            const started = await mutate(clientOf(owners.url), 'startSession', { userId, leaseSeconds: LEASE_SECONDS })
            const sessionId = started['session'].sessionId as string
            const saving = Array.from({ length: 4 }, (_, client) => saveUntilRefused(userId, sessionId, client))
            return { userId, sessionId, saving: Promise.all(saving) }
          }),
        )
        try {
          await delay(randomInt(30))
          owners.child.kill('SIGSTOP')
          await clock.advance(LEASE_SECONDS + 1)
          const taken = await Promise.all(crew.map(({ userId }) => takeOver(userId)))
          owners.child.kill('SIGCONT')
          for (const [place, { userId, saving }] of crew.entries()) {
            const rival = taken[place] ?? ''
            const refusals = await saving
            expect(new Set(refusals)).toEqual(new Set(['STALE_EPOCH']))
            stale += refusals.length
            await save(rivals, { userId, sessionId: rival, itemId: '3' })
            expect(await writersOf(userId, rival)).toMatch(/^o*rr$/)
          }
        } finally {
          owners.child.kill('SIGCONT')
        }
      }
      tell(`fault 5: a server frozen ${FREEZES} times: ${stale} saves under way were refused, 0 written`)
    },
  )

  /** Saves one item after the other, until told that the stream is another's. */
  async function saveUntilRefused(userId: string, sessionId: string, client: number): Promise<string> {
    for (let turn = 1; ; turn += 1) {
      const itemId = String(1_000_000 * (client + 1) + turn)
      const { __typename, code } = await save(owners, { userId, sessionId, itemId })
      if (__typename !== 'SaveCheckpointSuccess') return code ?? __typename
    }
  }
})
