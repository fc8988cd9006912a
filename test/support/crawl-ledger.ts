import { readFile } from 'node:fs/promises'
import { expect, vi } from 'vitest'
import type { CrawlRun } from './crawl-run.ts'
import type { CrawlServer } from './crawl-server.ts'
import type { XApi, XApiRequest } from './x-api.ts'

interface SessionRow {
  sessionId: string
  status: string
  errorMessage: string | null
  endReason: string | null
  completedAt: string | null
  /** Of the last save or heartbeat. */
  heartbeatAt: string | null
  leaseSeconds: number
  rateLimitedUntil: string | null
  bookmarksProcessed: number
}

export async function readSessions(server: CrawlServer, userId: string): Promise<SessionRow[]> {
  const { sessions } = await server.query<{ sessions: { nodes: SessionRow[]; totalCount: number } }>(
    `query ($userId: String!) { sessions(first: 100, filter: { userId: $userId }) {
      totalCount nodes { sessionId status errorMessage endReason completedAt heartbeatAt leaseSeconds rateLimitedUntil bookmarksProcessed } } }`,
    { userId },
  )
  expect(sessions.nodes).toHaveLength(sessions.totalCount)
  return sessions.nodes
}

export async function readCheckpoint(
  server: CrawlServer,
  userId: string,
): Promise<{ lastItemId: string; bookmarksCount: number } | null> {
  const { checkpoint } = await server.query<{ checkpoint: { lastItemId: string; bookmarksCount: number } | null }>(
    'query ($userId: String!) { checkpoint(userId: $userId) { lastItemId bookmarksCount } }',
    { userId },
  )
  return checkpoint
}

/** Every bookmark of the list is in the crawler's output, once, and Waymark counts them and names one of them. */
export async function expectWholeList(
  server: CrawlServer,
  crawl: { userId: string; output: string; listed: readonly string[] },
): Promise<void> {
  const lines = (await readFile(crawl.output, 'utf8')).trimEnd().split('\n')
  const written = new Set(lines)
  expect(lines.filter((id, at) => lines.indexOf(id) !== at)).toEqual([])
  expect(crawl.listed.filter((id) => !written.has(id))).toEqual([])
  // Not always the last line: an old item right above the first anchor is processed again, and was written long ago.
  expect(await readCheckpoint(server, crawl.userId)).toEqual({
    lastItemId: expect.toSatisfy((id: string) => written.has(id)) as string,
    bookmarksCount: lines.length,
  })
}

/** What was processed twice is at most a page for each kill of the crawler; whoever else was killed costs nothing. */
export function expectFewRepeats(runs: readonly CrawlRun[], pageSize: number): void {
  const processed = new Set<string>()
  let killsBefore = 0
  let repeats = 0
  for (const run of runs) {
    const ids = run.pages.flat()
    expect(new Set(ids).size).toBe(ids.length)
    repeats += ids.filter((id) => processed.has(id)).length
    expect(repeats).toBeLessThanOrEqual(pageSize * killsBefore)
    for (const id of ids) processed.add(id)
    if (run.killed) killsBefore += 1
  }
}

/**
 * Each run's sessions say what became of the run, and there is no other session.
 * @param isToldByServer a crawler learns the ID of its session with the answer, so one that was killed just then leaves
 * a session that no run has named; it has done nothing
 */
export async function expectTruthfulSessions(
  server: CrawlServer,
  userId: string,
  runs: readonly CrawlRun[],
  isToldByServer = false,
): Promise<void> {
  // That of a killed run runs until its lease has ended.
  const rows = await vi.waitUntil(
    async () => {
      const read = await readSessions(server, userId)
      return read.every(({ status }) => status !== 'RUNNING') && read
    },
    { timeout: 20_000, interval: 100 },
  )
  const sessions = new Map(rows.map((row) => [row.sessionId, row]))
  for (const run of runs) {
    for (const { sessionId, pages } of run.sessions) {
      const session = sessions.get(sessionId)
      sessions.delete(sessionId)
      const completed = { status: 'COMPLETED', errorMessage: null, endReason: 'REPORTED' }
      const expired = { status: 'FAILED', errorMessage: 'lease expired', endReason: 'LEASE_EXPIRED' }
      const wasKilled = run.killed && sessionId === run.sessions.at(-1)?.sessionId
      // Killed before it started the session: then it can have processed nothing.
      if (wasKilled && session === undefined) expect(pages).toEqual([])
      // A kill may also come in the moment between a session's completion and the end of the run.
      else if (wasKilled && session?.status === 'FAILED') expect(session).toMatchObject(expired)
      else expect(session).toMatchObject({ ...completed, bookmarksProcessed: pages.flat().length })
    }
  }
  const unnamed = [...sessions.values()]
  const kills = isToldByServer ? runs.filter(({ killed }) => killed).length : 0
  expect(unnamed.length, JSON.stringify(unnamed)).toBeLessThanOrEqual(kills)
  for (const session of unnamed) expect(session).toMatchObject({ endReason: 'LEASE_EXPIRED', bookmarksProcessed: 0 })
}

/** Pages that X has served since `from`, waits not counted. */
export function pagesServed(api: XApi, from = 0): XApiRequest[] {
  return api.requests.slice(from).filter(({ status }) => status === 200)
}
