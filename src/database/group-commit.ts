import type { Fault } from '../fault.ts'
import { overloaded } from './gate.ts'
import { PATIENCE_MS } from './patience.ts'

/** Hands one command to the set that is written next; settles with its outcome once that set is committed. */
export type Submit<Command, Outcome> = (command: Command) => Promise<Outcome>

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
    /** When each was submitted, by performance.now(). */
    sinceMs: readonly number[],
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
          set.map(({ sinceMs }) => sinceMs),
        )
        set.forEach(({ resolve, reject }, place) => {
          const outcome = outcomes[place]
          if (outcome === undefined)
            reject(new Error(`a set of ${set.length} was answered by ${outcomes.length} outcomes`))
          else resolve(outcome)
        })
      } catch (error) {
        for (const { reject } of set) reject(error)
        if (isOutage(error)) giveUp(OUTAGE_PATIENCE_MS, () => error)
      }
    }
    writing = false
    clearTimeout(patience)
    patience = undefined
  }

  /** Fails what has waited for so long. */
  function giveUp(waitedMs: number, reason: () => unknown): void {
    const latest = performance.now() - waitedMs
    for (const { sinceMs, reject } of gathering) if (sinceMs <= latest) reject(reason())
    gathering = gathering.filter(({ sinceMs }) => sinceMs > latest)
  }

  /** Looks for what has run out of patience, when the oldest will have. */
  function watchPatience(): void {
    const [oldest] = gathering
    const leftMs = oldest ? oldest.sinceMs + patienceMs - performance.now() : patienceMs
    patience = setTimeout(
      () => {
        giveUp(patienceMs, refuse)
        watchPatience()
      },
      Math.max(leftMs, 1),
    )
  }

  function refuse(): Fault {
    refused += 1
    return overloaded()
  }

  return {
    submit: (command) =>
      new Promise((resolve, reject) => {
        if (gathering.length >= mostWaiting) {
          reject(refuse())
          return
        }
        gathering.push({ command, sinceMs: performance.now(), resolve, reject })
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
