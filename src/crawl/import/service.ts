import { setTimeout as delay } from 'node:timers/promises'
import type { DatabaseClock } from '../../database/clock.ts'
import type { Database } from '../../database/database.ts'
import { InvalidInputError } from '../../errors/domain-error.ts'
import { Fault } from '../../errors/fault.ts'
import { type Principal, reaches } from '../../identity/principal.ts'
import { insertUsers } from '../../user/store.ts'
import type { Checkpoint } from '../checkpoint/model.ts'
import { StreamBusyError } from '../session/model.ts'
import { type ImportCheckpointInput, importIssues } from './input.ts'
import { importCheckpointRows, type ImportOutcome, MAX_IMPORT_SET } from './store.ts'

const MAX_INPUTS = 10_000
/** How long each set after the first may wait for its turn, milliseconds. */
const SET_PATIENCE_MS = 10_000
const RETRY_AFTER_MS = 100

export interface ImportedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly created: boolean
}

interface Entry {
  readonly input: ImportCheckpointInput
  readonly place: number
}

/**
 * Writes the states of lists as they are given, over what is there, and makes missing users. Each is judged alone and
 * in order. They are written in sets, so a fault may come after some were written: sending all again gives the same
 * state.
 * @returns one result for each: what was written, or a refusal if a value is wrong or a session owns the list
 * @throws Fault BAD_USER_INPUT for more than 10,000 inputs
 */
export async function importCheckpoints(
  database: Database,
  clock: DatabaseClock,
  caller: Principal,
  inputs: readonly ImportCheckpointInput[],
): Promise<(ImportedCheckpoint | InvalidInputError | StreamBusyError)[]> {
  if (inputs.length > MAX_INPUTS) {
    throw new Fault('BAD_USER_INPUT', `inputs: ${inputs.length} are too many; send at most ${MAX_INPUTS} at once.`)
  }
  const now = clock.now()
  const results = inputs.map((input, place) => {
    const issues = importIssues(input, now, ['inputs', String(place)])
    return issues.length > 0 ? new InvalidInputError(issues) : undefined
  })
  const sound: Entry[] = inputs.flatMap((input, place) => (results[place] ? [] : [{ input, place }]))
  const reached = sound.filter(({ input }) => reaches(caller.userIds, input.userId))
  if (reached.length > 0) {
    await insertUsers(database, caller.userIds, [...new Set(reached.map(({ input }) => input.userId))])
  }
  const outcomes = new Map<number, ImportOutcome>()
  for (let start = 0; start < sound.length; start += MAX_IMPORT_SET) {
    const set = sound.slice(start, start + MAX_IMPORT_SET)
    const states = set.map(({ input }) => input)
    const write = () => importCheckpointRows(database, caller.userIds, states, caller.subject)
    const written = await (start === 0 ? write() : patiently(write))
    set.forEach(({ place }, index) => {
      const outcome = written[index]
      if (outcome) outcomes.set(place, outcome)
    })
  }
  return results.map((refusal, place) => refusal ?? toResult(outcomes.get(place), place))
}

/** Tries again while the server has too much to do: with the first set written, the whole is begun. */
async function patiently<Answer>(write: () => Promise<Answer>): Promise<Answer> {
  const untilMs = performance.now() + SET_PATIENCE_MS
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'OVERLOADED') || performance.now() > untilMs) throw error
      await delay(RETRY_AFTER_MS)
    }
  }
}

function toResult(
  outcome: ImportOutcome | undefined,
  place: number,
): ImportedCheckpoint | InvalidInputError | StreamBusyError {
  switch (outcome?.outcome) {
    case 'IMPORTED':
      return outcome
    case 'STREAM_BUSY':
      return new StreamBusyError(outcome.session)
    case 'USER_NOT_FOUND':
      return new InvalidInputError([
        {
          path: ['inputs', String(place), 'userId'],
          message:
            'names no user, and this caller or this database cannot make it: register the user, or let the application that makes the users do it',
        },
      ])
    case undefined:
      throw new Error('an import was not answered')
  }
}
