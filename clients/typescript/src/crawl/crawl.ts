import { BusyError, LostError, PausedError, WaymarkError } from '../errors.ts'
import { NeedsAttention } from '../platform-signals.ts'
import { type Send, Session } from '../session.ts'
import { sleep } from '../sleep.ts'
import { startSession, type StartOptions } from '../start-session.ts'
import type { CrawlEvent } from './events.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { ListWalk } from './list-walk.ts'
import type { CrawlOptions, CrawlReport, SessionReport } from './options.ts'
import { LongWait, PlatformCalls } from './platform-calls.ts'

type Mode = StartOptions['mode']
/** How one session ended. */
type Ended =
  | { readonly outcome: 'completed' | 'stopped' }
  | { readonly outcome: 'lost'; readonly endReason: string | null }
  | { readonly outcome: 'paused'; readonly until: Date; readonly reason: string | null }
type Outcome = CrawlReport extends infer Report ? (Report extends unknown ? Omit<Report, 'sessions'> : never) : never

/** Near the longest pause that Waymark takes, 400 days: until somebody ends it. */
const ATTENTION_DAYS = 399
const DAY_MS = 86_400_000
/** How often a crawl that waits for a busy list looks at it. */
const LONGEST_LOOK_MS = 2_000
const SHORTEST_LOOK_MS = 100

/** Crawls one list: session after session, until its plan is done or it cannot go on. */
export async function crawl<Item>(send: Send, options: CrawlOptions<Item>): Promise<CrawlReport> {
  const sessions: SessionReport[] = []
  const emit = (event: CrawlEvent) => options.onEvent?.(event)
  const outcome = await crawlSessions(send, options, sessions, emit)
  const report = { ...outcome, sessions } as CrawlReport
  emit({ type: 'done', report })
  return report
}

async function crawlSessions<Item>(
  send: Send,
  options: CrawlOptions<Item>,
  sessions: SessionReport[],
  emit: (event: CrawlEvent) => void,
): Promise<Outcome> {
  let mode: Mode = options.mode
  let start: 'first' | 'afterLoss' | 'again' = 'first'
  let hasFollowed = false
  for (;;) {
    if (options.signal?.aborted && start === 'first') return { outcome: 'stopped' }
    const session = await begin(send, options, { mode, isFirst: start === 'first' }, emit)
    if (!(session instanceof Session)) {
      // What was asked for is done: the second look is an extra.
      if (start === 'again') return { outcome: 'completed' }
      return start === 'afterLoss' && session.outcome === 'busy' ? { outcome: 'lost' } : session
    }
    const ended = await runSession(session, options, sessions, emit)
    if (ended.outcome === 'lost' && ended.endReason === 'LEASE_EXPIRED') {
      if (options.signal?.aborted || session.stopRequested) return { outcome: 'stopped' }
      mode = session.plan.mode === 'CATCH_UP' ? 'CATCH_UP' : 'AUTO'
      start = 'afterLoss'
      continue
    }
    if (ended.outcome === 'lost') return { outcome: 'lost' }
    if (ended.outcome !== 'completed' || hasFollowed) return ended
    const next = modeAfter(session)
    if (next === undefined || options.signal?.aborted) return ended
    mode = next
    start = 'again'
    hasFollowed = true
  }
}

/** What came on top while a crawl was interrupted stands above its head: only a further session sees it. */
function modeAfter({ plan, isAscending }: Session): Mode | undefined {
  if (plan.mode === 'RESUME') return isAscending ? undefined : 'AUTO'
  const wentOn = plan.afterItemId !== null || plan.pageToken !== null
  return plan.mode === 'CATCH_UP' && wentOn ? 'CATCH_UP' : undefined
}

/** Takes the list, or says why not. */
async function begin<Item>(
  send: Send,
  options: CrawlOptions<Item>,
  { mode, isFirst }: { readonly mode: Mode; readonly isFirst: boolean },
  emit: (event: CrawlEvent) => void,
): Promise<Session | Exclude<Outcome, { outcome: 'lost' | 'completed' }>> {
  const busy = isFirst ? (options.busy ?? 'skip') : 'skip'
  const { userId, stream, leaseSeconds, worker, outputFilePath, directImport, enableSummarization } = options
  const input = { userId, stream, mode, leaseSeconds, worker, outputFilePath, directImport, enableSummarization }
  const giveUpAt = typeof busy === 'object' ? performance.now() + busy.waitMs : 0
  for (;;) {
    try {
      return await startSession(send, { ...input, takeover: busy === 'takeover' })
    } catch (error) {
      if (error instanceof PausedError) return { outcome: 'paused', until: error.until, reason: error.reason }
      if (!isFirst && error instanceof WaymarkError && error.code === 'CATCH_UP_IMPOSSIBLE')
        return { outcome: 'busy', retryAt: null }
      if (!(error instanceof BusyError)) throw error
      const { retryAt } = error
      const leftMs = giveUpAt - performance.now()
      if (leftMs <= 0) return { outcome: 'busy', retryAt }
      emit({ type: 'waiting', reason: 'BUSY', until: retryAt })
      const lookMs = Math.max((retryAt?.getTime() ?? 0) - Date.now(), SHORTEST_LOOK_MS)
      await sleep(Math.min(lookMs, LONGEST_LOOK_MS, leftMs), options.signal)
      if (options.signal?.aborted) return { outcome: 'stopped' }
    }
  }
}

async function runSession<Item>(
  session: Session,
  options: CrawlOptions<Item>,
  sessions: SessionReport[],
  emit: (event: CrawlEvent) => void,
): Promise<Ended> {
  const { sessionId, plan } = session
  const keeper = new LeaseKeeper(session)
  const calls = new PlatformCalls(options, session, keeper, emit)
  try {
    emit({ type: 'started', sessionId, mode: plan.mode, plan })
    const outcome = await new ListWalk(session, calls, emit).run()
    await (outcome === 'completed' ? session.complete() : session.stop())
    return { outcome }
  } catch (error) {
    return await endBadly(session, error)
  } finally {
    keeper.end()
    sessions.push({ sessionId, mode: plan.mode, ...calls.counts })
  }
}

/** Ends a session that cannot go on. @throws what fetchPage or process threw, and errors of Waymark */
async function endBadly(session: Session, error: unknown): Promise<Ended> {
  try {
    const lost = session.lost ?? (error instanceof LostError ? error : undefined)
    if (lost) return { outcome: 'lost', endReason: lost.endReason }
    if (error instanceof LongWait) {
      await session.pause(error.until, error.message)
      await session.stop()
      return { outcome: 'paused', until: error.until, reason: error.message }
    }
    if (error instanceof NeedsAttention) {
      const until = new Date(Date.now() + ATTENTION_DAYS * DAY_MS)
      await session.pause(until, error.message)
      await session.fail(error)
      return { outcome: 'paused', until, reason: error.message }
    }
  } catch (failure) {
    if (failure instanceof LostError) return { outcome: 'lost', endReason: failure.endReason }
    // E.g. a pause that Waymark does not take.
    await session.fail(failure).catch(() => undefined)
    throw failure
  }
  // Its lease ends it where this fails.
  await session.fail(error).catch(() => undefined)
  throw error
}
