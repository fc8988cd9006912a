import type { Principal, Reach } from '../../identity/principal.ts'
import type { DatabaseClock } from '../../database/clock.ts'
import type { Database } from '../../database/database.ts'
import type { Submit } from '../../concurrency/group-commit.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { Fault } from '../../errors/fault.ts'
import { identifierProblem, identifierSchema } from '../../identity/identifier.ts'
import { issuesOf } from '../../errors/input-issues.ts'
import {
  type CrawlSession,
  SessionClosedError,
  SessionNotFoundError,
  StaleEpochError,
  StreamBusyError,
} from '../session/model.ts'
import { findSessions } from '../session/store.ts'
import { DEFAULT_STREAM } from '../../stream/model.ts'
import { UserNotFoundError } from '../../user/model.ts'
import { insertUsers } from '../../user/store.ts'
import { clearCheckpointRow } from './clear-store.ts'
import {
  type Checkpoint,
  type CheckpointKey,
  checkpointKeySchema,
  OrderViolationError,
  VersionConflictError,
} from '../checkpoint/model.ts'
import { saveIssues, type SaveCheckpointInput, type SaveCommand, toSaveCommand, withSoundHead } from './input.ts'
import { MAX_SET_SIZE, type SaveOutcome } from './store.ts'

/**
 * What the write path needs. One queue of saves serves the whole process, so that concurrent requests share a commit.
 */
export interface Saving {
  readonly database: Database
  readonly clock: DatabaseClock
  readonly submitSave: Submit<SaveCommand, SaveOutcome>
}

export interface SavedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly created: boolean
  /** The named session as it is after this save. */
  readonly session: CrawlSession | undefined
  /** Whether it was written before, under the same key. */
  readonly replayed: boolean
  /** What was left out of the head, since the platform cannot have it. */
  readonly ignoredHeadItemIds: readonly string[]
}

/** There is no checkpoint yet, so only the page token is kept. */
export interface SavedToken {
  readonly session: CrawlSession
  readonly replayed: boolean
}

export type Saved = SavedCheckpoint | SavedToken

export type SaveRefusal =
  | InvalidInputError
  | UserNotFoundError
  | SessionNotFoundError
  | SessionClosedError
  | StaleEpochError
  | StreamBusyError
  | VersionConflictError
  | OrderViolationError

const MAX_INPUTS = 10_000
/**
 * How long each save of a request with many may wait for the set before its own, milliseconds. That set is mostly of
 * the same request. A slow database needs more for a thousand saves than the second after which a single save is
 * OVERLOADED.
 */
const MANY_PATIENCE_MS = 10_000

/**
 * Moves a checkpoint to the last processed item. When it returns, the save is committed and on disk.
 * A refusal has written nothing. A fault (SERVICE_UNAVAILABLE) may have written: send it again with the same
 * idempotencyKey, or with bookmarksCount, which is harmless to repeat.
 */
export async function saveCheckpoint(
  saving: Saving,
  caller: Principal,
  input: SaveCheckpointInput,
): Promise<Saved | SaveRefusal> {
  const [saved] = await saveAll(saving, caller, [{ input, path: ['input'] }], { importing: false })
  if (saved === undefined) throw new Error('a save was not answered')
  return saved
}

/**
 * Saves many checkpoints, in sets of up to 1,000 a statement. Each save is judged alone and in order, and has its own
 * result.
 * @param importing for operators: makes missing users, records IMPORT, and turns heads into anchors
 * @throws Fault BAD_USER_INPUT for more than 10,000 inputs
 */
export async function saveCheckpoints(
  saving: Saving,
  caller: Principal,
  inputs: readonly SaveCheckpointInput[],
  { importing }: { readonly importing: boolean },
): Promise<(Saved | SaveRefusal)[]> {
  if (inputs.length > MAX_INPUTS) {
    throw new Fault('BAD_USER_INPUT', `inputs: ${inputs.length} are too many; send at most ${MAX_INPUTS} at once.`)
  }
  const entries = inputs.map((input, place) => ({ input, path: ['inputs', String(place)] }))
  return saveAll(saving, caller, entries, { importing })
}

interface Entry {
  readonly input: SaveCheckpointInput
  readonly path: readonly string[]
}

async function saveAll(
  saving: Saving,
  caller: Principal,
  entries: readonly Entry[],
  { importing }: { readonly importing: boolean },
): Promise<(Saved | SaveRefusal)[]> {
  const now = saving.clock.now()
  const drafts = entries.map((entry) => draft(entry, { caller, importing }, now))
  // Most saves name their stream and are valid. Their session is judged only where it is written, under its row's lock.
  // The others read the session first: a missing session outranks other mistakes, because the stream, and with it the
  // rules for IDs, may come from the session.
  const asked = new Set(drafts.filter((it) => it.sessionId !== undefined && (it.needsStream || it.issues.length > 0)))
  const sessions = await sessionsById(saving.database, caller.userIds, [...asked])
  const ready = drafts.map((it) => {
    if (!asked.has(it)) return it
    const session = sessions.get(it.sessionId ?? '')
    const isOther =
      session && (session.userId !== it.command.userId || (!it.needsStream && session.stream !== it.command.stream))
    if (!session || isOther) return new SessionNotFoundError(it.sessionId ?? '')
    if (!it.needsStream) return it
    return draft({ ...it.entry, input: { ...it.entry.input, stream: session.stream } }, { caller, importing }, now)
  })
  if (importing) await makeUsers(saving.database, caller.userIds, ready)
  const results: (Saved | SaveRefusal)[] = []
  // One set after the other: a client that saves one checkpoint waits behind one set of somebody's ten thousand, not
  // behind all.
  for (let start = 0; start < ready.length; start += MAX_SET_SIZE) {
    results.push(...(await Promise.all(ready.slice(start, start + MAX_SET_SIZE).map(save))))
  }
  return results

  async function save(it: Draft | SessionNotFoundError): Promise<Saved | SaveRefusal> {
    if (it instanceof SessionNotFoundError) return it
    if (it.issues.length > 0) return new InvalidInputError(it.issues)
    return toResult(await saving.submitSave(it.command, entries.length > 1 ? MANY_PATIENCE_MS : undefined), it)
  }
}

interface Draft {
  readonly entry: Entry
  readonly command: SaveCommand
  readonly issues: ReturnType<typeof saveIssues>
  /** The session ID of the input, if it is a valid identifier. */
  readonly sessionId: string | undefined
  /** Whether the stream is to be taken from the session. */
  readonly needsStream: boolean
}

function draft(entry: Entry, by: { readonly caller: Principal; readonly importing: boolean }, now: Date): Draft {
  const { input, path } = entry
  const command = withSoundHead(toSaveCommand(input, input.stream ?? DEFAULT_STREAM, by), now)
  const { sessionId } = command
  const isSound = sessionId !== undefined && identifierProblem(sessionId) === undefined
  return {
    entry,
    command,
    issues: saveIssues(command, now, path),
    sessionId: isSound ? sessionId : undefined,
    needsStream: isSound && (input.stream ?? undefined) === undefined,
  }
}

async function sessionsById(
  database: Database,
  reach: Reach,
  drafts: readonly Draft[],
): Promise<Map<string, CrawlSession>> {
  const ids = [...new Set(drafts.flatMap(({ sessionId }) => sessionId ?? []))]
  if (ids.length === 0) return new Map()
  return new Map((await findSessions(database, reach, ids)).map((session) => [session.sessionId, session]))
}

/**
 * Makes the missing users. If another application makes the users, missing ones are USER_NOT_FOUND. So are users out of
 * reach.
 */
async function makeUsers(
  database: Database,
  reach: Reach,
  drafts: readonly (Draft | SessionNotFoundError)[],
): Promise<void> {
  const sound = drafts.flatMap((it) =>
    it instanceof Error || it.issues.length > 0 || it.command.outOfReach ? [] : it.command.userId,
  )
  if (sound.length > 0) await insertUsers(database, reach, [...new Set(sound)])
}

function toResult(outcome: SaveOutcome, { command, entry: { path } }: Draft): Saved | SaveRefusal {
  const invalid = (field: string, message: string) => new InvalidInputError([{ path: [...path, field], message }])
  switch (outcome.outcome) {
    case 'SAVED':
      return { ...outcome, ignoredHeadItemIds: command.ignoredHeadItemIds }
    case 'TOKEN_SAVED':
      return outcome
    case 'SESSION_CLOSED':
      return new SessionClosedError(outcome.session)
    case 'STREAM_BUSY':
      return new StreamBusyError(outcome.session)
    case 'STALE_EPOCH':
      return new StaleEpochError(outcome.currentEpoch)
    case 'VERSION_CONFLICT':
      return new VersionConflictError(outcome.currentVersion)
    case 'ORDER_VIOLATION':
      return new OrderViolationError(outcome.lastItemId)
    case 'SESSION_NOT_FOUND':
      return new SessionNotFoundError(command.sessionId ?? '')
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(command.userId)
    case 'KEY_REUSED':
      return invalid('idempotencyKey', 'was used for a save with other content: take a new key for each save')
    case 'COUNT_OVERFLOW':
      return invalid('bookmarksAdded', 'would raise a total above 2147483647, which no count can hold')
  }
}

export interface ClearedCheckpoint {
  readonly key: CheckpointKey
  /** The checkpoint before it was cleared; undefined: there was none. */
  readonly checkpoint: Checkpoint | undefined
}

export interface ClearCheckpointInput {
  readonly userId: string
  readonly stream?: string | null
  readonly sessionId?: string | null
  readonly expectedVersion?: number | null
}

export type ClearRefusal =
  | InvalidInputError
  | SessionNotFoundError
  | SessionClosedError
  | StaleEpochError
  | StreamBusyError
  | VersionConflictError

/**
 * Deletes a checkpoint with its count, token, head and anchors: the next crawl begins at the beginning.
 * To clear a checkpoint that does not exist is no error. While a session owns the stream, only that session may clear
 * it.
 */
export async function clearCheckpoint(
  database: Database,
  caller: Principal,
  input: ClearCheckpointInput,
): Promise<ClearedCheckpoint | ClearRefusal> {
  const key = { userId: input.userId, stream: input.stream ?? DEFAULT_STREAM }
  const sessionId = input.sessionId ?? undefined
  const expectedVersion = input.expectedVersion ?? undefined
  const schema = checkpointKeySchema.extend({ sessionId: identifierSchema.optional() })
  const issues = issuesOf(schema.safeParse({ ...key, sessionId }), ['input'])
  if (expectedVersion !== undefined && expectedVersion < 0) {
    issues.push({ path: ['input', 'expectedVersion'], message: 'must not be negative' })
  }
  if (issues.length > 0) return new InvalidInputError(issues)
  const cleared = await clearCheckpointRow(database, caller.userIds, key, {
    sessionId,
    expectedVersion,
    actor: caller.subject,
  })
  switch (cleared.outcome) {
    case 'CLEARED':
      return { key, checkpoint: cleared.checkpoint }
    case 'NOTHING':
      return { key, checkpoint: undefined }
    case 'SESSION_NOT_FOUND':
      return new SessionNotFoundError(sessionId ?? '')
    case 'SESSION_CLOSED':
      return new SessionClosedError(cleared.session)
    case 'STREAM_BUSY':
      return new StreamBusyError(cleared.session)
    case 'STALE_EPOCH':
      return new StaleEpochError(cleared.currentEpoch)
    case 'VERSION_CONFLICT':
      return new VersionConflictError(cleared.currentVersion)
  }
}
