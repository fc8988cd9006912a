/** A list as dueLists gives it. */
export interface DueList {
  readonly userId: string
  readonly stream: string
  readonly lastStartedAt: string | null
  readonly failuresInARow: number
}

const DUE = `query ($stream: String!, $completedBefore: DateTime!, $startedBefore: DateTime!, $after: String) {
  dueLists(stream: $stream, completedBefore: $completedBefore, startedBefore: $startedBefore, after: $after) {
    nodes { userId stream lastStartedAt failuresInARow } pageInfo { hasNextPage endCursor } } }`
const MINUTE_MS = 60_000

/**
 * One turn of a scheduler, as docs/scheduling.md shows it: starts crawls of lists that are due.
 * @param start starts a session and its crawler; resolves with whether it did (false: busy or paused by now)
 * @param everyMs how often each list is to be crawled
 */
export async function schedule(
  ask: (query: string, variables: Record<string, unknown>) => Promise<Record<string, any>>,
  start: (list: DueList) => Promise<boolean>,
  { stream, everyMs, mostStarts, now }: { stream: string; everyMs: number; mostStarts: number; now: number },
): Promise<void> {
  const bounds = { completedBefore: new Date(now - everyMs).toISOString(), startedBefore: new Date(now).toISOString() }
  let starts = 0
  for (let after: string | null = null, more = true; more;) {
    const { dueLists }: Record<string, any> = await ask(DUE, { stream, ...bounds, after })
    for (const list of dueLists.nodes as DueList[]) {
      if (starts === mostStarts) return
      // A list that fails waits 1, 2, 4 ... minutes, at most as long as any list.
      const waitMs = list.failuresInARow === 0 ? 0 : Math.min(MINUTE_MS * 2 ** (list.failuresInARow - 1), everyMs)
      if (list.lastStartedAt !== null && now - Date.parse(list.lastStartedAt) < waitMs) continue
      if (await start(list)) starts += 1
    }
    ;({ endCursor: after, hasNextPage: more } = dueLists.pageInfo)
  }
}
