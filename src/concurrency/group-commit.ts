import type { Fault } from '../errors/fault.ts'
import { overloaded } from './gate.ts'
import { PATIENCE_MS } from './patience.ts'

/**
 * Hands one command to the set that is written next; settles with its outcome once that set is committed.
 * @param patienceMs how long it may wait to be sent. Default: the queue's own
 */
export type Submit<Command, Outcome> = (command: Command, patienceMs?: number) => Promise<Outcome>

/** So long a command may have waited behind a set that met a dead database and still be tried: it takes 4.5 s to give up. */
const OUTAGE_PATIENCE_MS = 250
/** More than the second that they may wait is enough for, on a fast database: 13,000 saves a second. */
const MOST_WAITING = 20_000

/** A queue of commands before the database. */
export interface GroupCommit<Command, Outcome> {
  /** @throws Fault OVERLOADED where too many wait, or this one has for as long as it may: it was not sent. Else what the write throws */
  readonly submit: Submit<Command, Outcome>
  readonly waiting: number
  /** How many commands were told OVERLOADED so far. */
  readonly refused: number
}

export interface GroupCommitOptions {
  /** Commands in one set at the most. */
  readonly maxSetSize: number
  /**
   * Whether an error of `write` means that the database is away: what has waited behind that set for long fails with it, where one
   * such set after the other would keep a command waiting for their sum.
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
 * Group commit: while one set is being written the next one gathers, so concurrent commands share a round trip and an fsync.
 * No timer: a lone command is written at once. (A 64-row set costs about what a single row does; facts: 15 times the throughput.)
 * @param write writes a set and answers one outcome a command, in the set's order, or a promise of it where that command needs
 *   longer than its set; what it throws, every command of the set throws
 */
export function createGroupCommit<Command, Outcome>(
  write: (
    commands: readonly Command[],
    /** Until when each may wait, by performance.now(). */
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
        // A set that waits is sent first: to make the answers of one takes as long as to write one, and the database would wait.
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

  /** In the next turn of the event loop. */
  function settleSoon(
    set: readonly Waiting<Command, Outcome>[],
    outcomes: readonly (Outcome | PromiseLike<Outcome>)[],
  ): void {
    // One that is rejected before it is handed on would else count as nobody's, and end the process.
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

  /** Fails what has waited for too long. */
  function giveUp(isTooLong: (waiting: Waiting<Command, Outcome>) => boolean, reason: () => unknown): void {
    const rest = gathering.filter((waiting) => !isTooLong(waiting))
    if (rest.length === gathering.length) return
    for (const waiting of gathering) if (isTooLong(waiting)) waiting.reject(reason())
    gathering = rest
  }

  /** Looks for what has run out of patience when the first will have; at the latest when one that comes now could. */
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
        // Deferred by a microtask: the commands that one request makes at once go into one set.
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
