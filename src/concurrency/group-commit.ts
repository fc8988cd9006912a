import type { Fault } from '../errors/fault.ts'
import { overloaded } from './gate.ts'
import { PATIENCE_MS } from './patience.ts'

/**
 * Adds one command to the set that is written next. Settles with the command's outcome once that set is committed.
 * @param patienceMs how long the command may wait to be sent. Default: the queue's patience
 */
export type Submit<Command, Outcome> = (command: Command, patienceMs?: number) => Promise<Outcome>

/**
 * After an outage, fail commands that were queued for longer than this, milliseconds. The next attempt could take
 * another 4.5 s to fail.
 */
const OUTAGE_PATIENCE_MS = 250
/** More than a fast database writes in the second that commands may wait: 13,000 saves a second. */
const MOST_WAITING = 20_000

/** A queue of commands in front of the database. */
export interface GroupCommit<Command, Outcome> {
  /**
   * @throws Fault OVERLOADED if too many commands wait, or this one waited as long as it may: it was not sent.
   *   Otherwise what `write` throws
   */
  readonly submit: Submit<Command, Outcome>
  readonly waiting: number
  /** How many commands were refused with OVERLOADED so far. */
  readonly refused: number
}

export interface GroupCommitOptions {
  /** The most commands in one set. */
  readonly maxSetSize: number
  /**
   * Whether an error of `write` means that the database is unreachable. Then commands that have waited for long behind
   * that set fail with the same error. Otherwise several failing sets in a row would keep a command waiting for the sum
   * of their timeouts.
   */
  readonly isOutage?: (error: unknown) => boolean
  readonly mostWaiting?: number
  readonly patienceMs?: number
}

interface Waiting<Command, Outcome> {
  readonly command: Command
  readonly sinceMs: number
  readonly untilMs: number
  readonly resolve: (outcome: Outcome | PromiseLike<Outcome>) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: while one set is written, the next one gathers, so concurrent commands share a round trip and an fsync.
 * No timer: a lone command is written at once. (A set of 64 rows costs about as much as a single row: 15 times the
 * throughput.)
 * @param write writes a set. It returns one outcome for each command, in the set's order, or a promise of the outcome
 *   if a command needs longer than its set. If it throws, every command of the set fails with that error
 */
export function createGroupCommit<Command, Outcome>(
  write: (
    commands: readonly Command[],
    /** Until when each command may wait, by performance.now(). */
    untilMs: readonly number[],
  ) => Promise<readonly (Outcome | PromiseLike<Outcome>)[]>,
  { maxSetSize, isOutage = () => false, mostWaiting = MOST_WAITING, patienceMs = PATIENCE_MS }: GroupCommitOptions,
): GroupCommit<Command, Outcome> {
  let gathering: Waiting<Command, Outcome>[] = []
  let writing = false
  let refused = 0
  let patience: NodeJS.Timeout | undefined

  async function drain(): Promise<void> {
    writing = true
    while (gathering.length > 0) {
      const set = gathering.slice(0, maxSetSize)
      gathering = gathering.slice(maxSetSize)
      try {
        const outcomes = await write(
          set.map(({ command }) => command),
          set.map(({ untilMs }) => untilMs),
        )
        // A waiting set is sent first. To make the answers of a set takes as long as to write one, and the database
        // would be idle meanwhile.
        if (gathering.length > 0) settleSoon(set, outcomes)
        else settle(set, outcomes)
      } catch (error) {
        for (const { reject } of set) reject(error)
        if (isOutage(error)) {
          const latest = performance.now() - OUTAGE_PATIENCE_MS
          giveUp(
            ({ sinceMs }) => sinceMs <= latest,
            () => error,
          )
        }
      }
    }
    writing = false
    clearTimeout(patience)
    patience = undefined
  }

  /** Settles the set in the next turn of the event loop. */
  function settleSoon(
    set: readonly Waiting<Command, Outcome>[],
    outcomes: readonly (Outcome | PromiseLike<Outcome>)[],
  ): void {
    // Without this handler, a promise that rejects before then would count as unhandled and end the process.
    for (const outcome of outcomes) if (outcome instanceof Promise) outcome.catch(() => undefined)
    setImmediate(settle, set, outcomes)
  }

  function settle(
    set: readonly Waiting<Command, Outcome>[],
    outcomes: readonly (Outcome | PromiseLike<Outcome>)[],
  ): void {
    set.forEach(({ resolve, reject }, place) => {
      const outcome = outcomes[place]
      if (outcome === undefined) reject(new Error(`a set of ${set.length} was answered by ${outcomes.length} outcomes`))
      else resolve(outcome)
    })
  }

  /** Fails the commands that have waited too long. */
  function giveUp(isTooLong: (waiting: Waiting<Command, Outcome>) => boolean, reason: () => unknown): void {
    const rest = gathering.filter((waiting) => !isTooLong(waiting))
    if (rest.length === gathering.length) return
    for (const waiting of gathering) if (isTooLong(waiting)) waiting.reject(reason())
    gathering = rest
  }

  /**
   * Sets a timer for when the first command runs out of patience; at the latest for when a command that arrives now
   * could.
   */
  function watchPatience(): void {
    const now = performance.now()
    const firstMs = gathering.reduce((first, { untilMs }) => Math.min(first, untilMs), now + patienceMs)
    patience = setTimeout(
      () => {
        const at = performance.now()
        giveUp(({ untilMs }) => untilMs <= at, refuse)
        watchPatience()
      },
      Math.max(firstMs - now, 1),
    )
  }

  function refuse(): Fault {
    refused += 1
    return overloaded()
  }

  return {
    submit: (command, mayWaitMs = patienceMs) =>
      new Promise((resolve, reject) => {
        if (gathering.length >= mostWaiting) {
          reject(refuse())
          return
        }
        const sinceMs = performance.now()
        gathering.push({ command, sinceMs, untilMs: sinceMs + mayWaitMs, resolve, reject })
        // Deferred by a microtask, so that the commands that one request makes at once go into one set.
        if (!writing) {
          writing = true
          queueMicrotask(() => void drain())
          watchPatience()
        }
      }),
    get waiting() {
      return gathering.length
    },
    get refused() {
      return refused
    },
  }
}
