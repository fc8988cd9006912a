import { pino } from 'pino'
import type { CheckpointKey } from '../crawl/checkpoint/model.ts'
import { createSaveWriter, MAX_SET_SIZE, type SaveOutcome } from '../crawl/save/store.ts'
import type { SaveCommand } from '../crawl/save/input.ts'
import { saveCheckpoint, type Saving } from '../crawl/save/service.ts'
import { findCheckpoints } from '../crawl/checkpoint/store.ts'
import { createDatabaseClock } from '../database/clock.ts'
import { type Database, openDatabase } from '../database/database.ts'
import { createGroupCommit } from '../concurrency/group-commit.ts'
import { DomainError } from '../errors/domain-error.ts'
import { localOperator } from '../identity/principal.ts'
import { type Crawl, CRAWLS, USERS } from './seed-crawls.ts'
import { SessionClosedError, SessionExistsError, StaleEpochError, StreamBusyError } from '../crawl/session/model.ts'
import {
  completeSession,
  failSession,
  heartbeat,
  requestStop,
  startSession,
  stopSession,
} from '../crawl/lease/service.ts'
import { findSessions } from '../crawl/session/store.ts'
import { StartupError } from '../errors/startup-error.ts'
import { insertUsers } from '../user/store.ts'

/**
 * Fills a migrated database with users and with what their crawls would leave. Each crawl of seed-crawls.ts starts,
 * saves and ends as a crawler does. A second seed changes nothing. Lists with somebody else's checkpoint or a running
 * crawl stay as they are.
 * @returns one sentence that says what is there now
 * @throws StartupError if another application makes the users of this database, or somebody works on the same rows
 */
export async function seed(databaseUrl: string): Promise<string> {
  const database = openDatabase({
    url: databaseUrl,
    poolSize: 2,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 30_000,
    log: pino({ level: 'silent' }),
  })
  try {
    if ((await insertUsers(database, 'all', USERS)) !== 'ok') {
      throw new StartupError(
        'cannot seed: another application makes the users of this database (public."user" needs more than an id). Seed a database of your own.',
      )
    }
    const left = await crawlAll(database)
    if (left.length === 0) return 'seeded: users alice, bob, carol and dan, with 6 checkpoints and 9 sessions'
    return `seeded: ${CRAWLS.length - left.length} of ${CRAWLS.length} crawls; what was there is unchanged: ${nameLists(left)}`
  } finally {
    await database.close()
  }
}

/** Runs each crawl. @returns the crawls that were skipped */
async function crawlAll(database: Database): Promise<readonly Crawl[]> {
  const clock = createDatabaseClock(database)
  await clock.measure()
  const saves = createGroupCommit<SaveCommand, SaveOutcome>(createSaveWriter(database), { maxSetSize: MAX_SET_SIZE })
  const saving: Saving = { database, clock, submitSave: saves.submit }
  const taken = await findTakenLists(database)
  const left: Crawl[] = []
  for (const crawl of CRAWLS) {
    if (taken.has(nameList(crawl)) || !(await run(saving, crawl))) left.push(crawl)
  }
  return left
}

/** Lists whose checkpoint does not come from this seed: somebody crawls them, or wrote them by hand. */
async function findTakenLists(database: Database): Promise<ReadonlySet<string>> {
  const sessionIds = CRAWLS.map(({ sessionId }) => sessionId)
  const sessions = await findSessions(database, 'all', sessionIds)
  const ours = new Set(sessions.map(nameList))
  const checkpoints = await findCheckpoints(database, 'all', CRAWLS)
  return new Set(checkpoints.map(nameList).filter((list) => !ours.has(list)))
}

/**
 * Runs one crawl. A crawl that was interrupted continues, because each step has its idempotency key.
 * @returns false: it has ended already, or somebody else crawls this list
 */
async function run(saving: Saving, crawl: Crawl): Promise<boolean> {
  const { database, clock } = saving
  const { sessionId, userId, stream, directImport, enableSummarization, pages, rateLimitHits } = crawl
  const started = await startSession(database, localOperator, {
    ...{ userId, stream, sessionId, directImport, enableSummarization },
    ...{ idempotencyKey: sessionId, worker: 'seed' },
  })
  if (started instanceof StreamBusyError || started instanceof SessionExistsError) return false
  if (expectDone(started).session.status !== 'running') return false
  for (const [place, page] of pages.entries()) {
    const input = { userId, stream, sessionId, ...page, idempotencyKey: `${sessionId}/page-${place + 1}` }
    const saved = await saveCheckpoint(saving, localOperator, input)
    if (hasEnded(saved)) return false
    expectDone(saved)
  }
  const metrics = { apiRequests: pages.length + 1, rateLimitHits: rateLimitHits ?? 0 }
  const beaten = await heartbeat(database, clock, localOperator, { sessionId, metrics })
  if (hasEnded(beaten)) return false
  expectDone(beaten)
  expectDone(await endCrawl(database, crawl))
  return true
}

/** Another seed that runs at the same time was faster, or an operator ended the session. */
function hasEnded(result: unknown): boolean {
  return result instanceof SessionClosedError || result instanceof StaleEpochError
}

async function endCrawl(database: Database, { sessionId, end, outputFilePath }: Crawl) {
  switch (end.as) {
    case 'completed':
      return completeSession(database, localOperator, { sessionId, outputFilePath })
    case 'failed':
      return failSession(database, localOperator, { sessionId, errorMessage: end.errorMessage })
    case 'stopped':
      expectDone(await requestStop(database, localOperator, { sessionId }))
      return stopSession(database, localOperator, { sessionId })
  }
}

/** @throws StartupError if the write was refused: somebody works on the same rows */
function expectDone<Result>(result: Result): Exclude<Result, DomainError> {
  if (result instanceof DomainError) throw new StartupError(`cannot seed: ${result.message}`, { cause: result })
  return result as Exclude<Result, DomainError>
}

const nameList = ({ userId, stream }: CheckpointKey) => `${userId}'s ${stream}`

function nameLists(crawls: readonly Crawl[]): string {
  return [...new Set(crawls.map(nameList))].join(', ')
}
