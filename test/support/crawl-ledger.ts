import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import type { CrawlRun } from './crawl-run.ts'
import type { CrawlServer } from './crawl-server.ts'

interface SessionRow {
  sessionId: string
  status: string
  errorMessage: string | null
  completedAt: string | null
  bookmarksProcessed: number
}

export async function readSessions(server: CrawlServer, userId: string): Promise<SessionRow[]> {
  const { sessions } = await server.query<{ sessions: { nodes: SessionRow[]; totalCount: number } }>(
    `query ($userId: String!) { sessions(first: 100, filter: { userId: $userId }) {
      totalCount nodes { sessionId status errorMessage completedAt bookmarksProcessed } } }`,
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

/** Every bookmark of the list is in the crawler's output, once, and Waymark's count and place agree with it. */
export async function expectWholeList(
  server: CrawlServer,
  crawl: { userId: string; output: string; listed: readonly string[] },
): Promise<void> {
  const lines = (await readFile(crawl.output, 'utf8')).trimEnd().split('\n')
  const written = new Set(lines)
  expect(lines.filter((id, at) => lines.indexOf(id) !== at)).toEqual([])
  expect(crawl.listed.filter((id) => !written.has(id))).toEqual([])
  expect(await readCheckpoint(server, crawl.userId)).toEqual({
    lastItemId: lines.at(-1),
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

/** Each run's session says what became of the run, and there is no other session. */
export async function expectTruthfulSessions(
  server: CrawlServer,
  userId: string,
  runs: readonly CrawlRun[],
): Promise<void> {
  const sessions = new Map((await readSessions(server, userId)).map((row) => [row.sessionId, row]))
  for (const run of runs) {
    const session = sessions.get(run.sessionId ?? '')
    sessions.delete(run.sessionId ?? '')
    const completed = { status: 'COMPLETED', errorMessage: null, bookmarksProcessed: run.pages.flat().length }
    if (!run.killed) expect(session).toMatchObject(completed)
    // Killed before it started a session: then it can have processed nothing.
    else if (session === undefined) expect(run.pages).toEqual([])
    // Killed in the moment between its completion and its end.
    else if (session.status === 'COMPLETED') expect(session).toMatchObject(completed)
    else expect(session).toMatchObject({ status: 'FAILED', errorMessage: 'crawler was killed' })
    if (session) expect(session.completedAt).not.toBeNull()
  }
  expect([...sessions.keys()]).toEqual([])
}
