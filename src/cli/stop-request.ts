import { constants } from 'node:os'
import { isWaymarkMessage } from '../workers/messages.ts'
import { watchNpm } from './npm-ancestry.ts'

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const
const NPM_LOOK_MS = 250
/**
 * Ctrl-C reaches npm and this process, and npm passes it on: two signals within milliseconds. A person who asks twice
 * takes longer.
 */
const ONE_REQUEST_MS = 1_000

/**
 * Why a process is asked to stop. `NPM_GONE`: npm started it and is gone. npm passes on SIGTERM and SIGINT, but not
 * SIGHUP, and it cannot pass on SIGKILL.
 */
export type StopReason = (typeof SIGNALS)[number] | 'NPM_GONE'

/**
 * Resolves when this process is asked to stop. It listens from this call on. A second signal, a second or more after
 * the first, ends the process at once with exit code 1.
 * @param npmParentPid process ID of the parent if npm started this process: then the process stops when npm is gone
 */
export function stopRequest(npmParentPid: number | undefined): Promise<StopReason> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (firstAt !== undefined && performance.now() - firstAt > ONE_REQUEST_MS) process.exit(1)
        firstAt ??= performance.now()
        resolve(signal)
      })
    }
    if (npmParentPid === undefined) return
    const isNpmGone = watchNpm(npmParentPid)
    const looking = setInterval(() => {
      if (!isNpmGone()) return
      clearInterval(looking)
      resolve('NPM_GONE')
    }, NPM_LOOK_MS)
    looking.unref()
  })
}

/**
 * The same for a worker. Its primary asks it to stop, and so does a SIGTERM to the worker alone. A signal of the
 * terminal reaches the primary too, which then asks; a primary that ends without asking takes its workers with it.
 */
export function workerStopRequest(): Promise<StopReason> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (signal === 'SIGTERM') resolve(signal)
      })
    }
    process.on('message', (message) => {
      if (isWaymarkMessage(message) && message.waymark === 'stop') resolve('SIGTERM')
    })
  })
}

/** The exit code of a command that was stopped before it was done, as a shell gives it. */
export function exitCodeOf(reason: StopReason): number {
  return 128 + constants.signals[reason === 'NPM_GONE' ? 'SIGTERM' : reason]
}
