// Runs other programs for the scripts, and ends them with the script: a signal, or the end of the script's parent, ends
// both.
import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * TypeScript 7, which checks and builds in a third of the processor time of TypeScript 6. Both call their program tsc;
 * 6 stays for eslint and for what compiles by its API, which 7 does not have.
 */
export const tsc = [process.execPath, join(root, 'node_modules/typescript-7/bin/tsc')]

/** Read as early as possible: when npm has ended, the script has another parent. */
export const parentPid = process.ppid

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
const PARENT_LOOK_MS = 250
/** A program that still runs this long after SIGTERM is killed. */
const PATIENCE_MS = 5_000

/** What to signal, in the form of kill(2): a process group is a negative number. */
const targets = new Set()
let endSignal

class StepFailed extends Error {}
class Interrupted extends Error {}

/**
 * Runs a program of node_modules or of the machine to its end. It runs in its own process group, so that everything
 * that it started ends with it.
 * @param options.env variables to add to the environment
 * @param options.stdio as in spawn. By default its output goes to stderr. With 'inherit' it stays in this process's
 * group, whose terminal it uses
 * @param options.isIdle whether it gets only the processor time that nothing else wants
 * @param options.onStart called with the target to signal
 * @returns its exit code; null if a signal ended it, 127 if it could not be started, as in a shell
 */
export async function runToEnd(command, args, { env = {}, stdio = ['ignore', 2, 2], isIdle = false, onStart } = {}) {
  const stopListening = listen()
  const detached = stdio !== 'inherit'
  const child = spawn(command, args, { cwd: root, stdio, env: environment(env), detached })
  const target = detached ? -child.pid : child.pid
  if (child.pid !== undefined) {
    targets.add(target)
    if (isIdle) setPriority(child.pid, constants.priority.PRIORITY_LOW)
    onStart?.(target)
  }
  try {
    const status = await new Promise((resolve) => {
      child.once('error', ({ message }) => {
        process.stderr.write(`waymark: ${message}\n`)
        resolve(127)
      })
      child.once('close', resolve)
    })
    if (endSignal) throw new Interrupted()
    return status
  } finally {
    targets.delete(target)
    // TypeScript 7 ignores SIGTERM, and outlives the program of Node that started it.
    if (endSignal && detached && child.pid !== undefined) signalProgram(target, 'SIGKILL')
    stopListening()
  }
}

/**
 * Like runToEnd.
 * @throws StepFailed after a line on stderr if the program fails; uncaught, it ends this process with exit code 1
 */
export async function run(command, args, options) {
  if ((await runToEnd(command, args, options)) === 0) return
  process.stderr.write(`waymark: "${[command, ...args].join(' ')}" failed: see above\n`)
  throw new StepFailed()
}

/** Waits. Throws Interrupted if this process is to end. */
export async function pause(ms) {
  const stopListening = listen()
  await delay(ms)
  stopListening()
  if (endSignal) throw new Interrupted()
}

/**
 * Makes a signal end the programs first and then this process, until the returned function is called. Without it a
 * signal ends this process at once.
 */
function listen() {
  const end = (signal) => {
    // The terminal and npm may both send the same signal.
    if (endSignal) return
    endSignal = signal
    for (const target of targets) void endProgram(target)
  }
  for (const signal of SIGNALS) process.on(signal, end)
  // npm passes on neither SIGHUP nor SIGKILL.
  const looking = setInterval(() => process.ppid !== parentPid && end('SIGTERM'), PARENT_LOOK_MS)
  return () => {
    for (const signal of SIGNALS) process.off(signal, end)
    clearInterval(looking)
  }
}

async function endProgram(target) {
  signalProgram(target, 'SIGTERM')
  await delay(PATIENCE_MS, undefined, { ref: false })
  if (targets.has(target)) signalProgram(target, 'SIGKILL')
}

function signalProgram(target, signal) {
  try {
    process.kill(target, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function environment(env) {
  const binaries = join(root, 'node_modules', '.bin')
  return { ...process.env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ''}`, ...env }
}

process.on('uncaughtException', (error) => {
  // Ends by the signal itself, so that a shell and npm see the reason.
  if (error instanceof Interrupted) process.kill(process.pid, endSignal)
  else {
    if (!(error instanceof StepFailed)) console.error(error)
    process.exit(1)
  }
})
