// Runs other programs for these scripts, and ends them with the script: a signal, or the end of whoever started it, ends both.
import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Read as early as can be: once npm is gone it is somebody else. */
export const parentPid = process.ppid

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']
const PARENT_LOOK_MS = 250
/** Then a program that goes on after SIGTERM is killed. */
const PATIENCE_MS = 5_000

/** What to signal, as kill(2) has it: process groups as negative numbers. */
const targets = new Set()
let endSignal

class StepFailed extends Error {}
class Interrupted extends Error {}

/**
 * Runs a program of node_modules or of the machine to its end, in a process group of its own: it ends with all that it started.
 * @param options.env beside this process' environment
 * @param options.stdio as of spawn; by default its output goes to stderr. With 'inherit' it stays in this process' group, whose terminal it uses
 * @param options.onStart is told what to signal to reach it
 * @returns its exit code; null where a signal ended it, 127 where it could not be started, as in a shell
 */
export async function runToEnd(command, args, { env = {}, stdio = ['ignore', 2, 2], onStart } = {}) {
  const stopListening = listen()
  const detached = stdio !== 'inherit'
  const child = spawn(command, args, { cwd: root, stdio, env: environment(env), detached })
  const target = detached ? -child.pid : child.pid
  if (child.pid !== undefined) {
    targets.add(target)
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
    stopListening()
  }
}

/** As runToEnd. @throws StepFailed where it fails, after a line on stderr; uncaught, it ends this process with exit code 1 */
export async function run(command, args, options) {
  if ((await runToEnd(command, args, options)) === 0) return
  process.stderr.write(`waymark: "${[command, ...args].join(' ')}" failed: see above\n`)
  throw new StepFailed()
}

/** As run, for several at once, which share the machine's cores. Waits for all of them, so that all that is wrong is told. */
export async function runTogether(commands) {
  const results = await Promise.allSettled(commands.map(([command, ...args]) => run(command, args)))
  for (const { reason } of results) if (reason) throw reason
}

/** Waits, and notices meanwhile that this process is to end. */
export async function pause(ms) {
  const stopListening = listen()
  await delay(ms)
  stopListening()
  if (endSignal) throw new Interrupted()
}

/** Until the returned function is called a signal ends the programs first and then this process; without it, this process at once. */
function listen() {
  const end = (signal) => {
    // The terminal and npm may both send the same one.
    if (endSignal) return
    endSignal = signal
    for (const target of targets) void endProgram(target)
  }
  for (const signal of SIGNALS) process.on(signal, end)
  // npm passes no SIGHUP on, and no SIGKILL.
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
  // By the signal itself, so that a shell and npm see why.
  if (error instanceof Interrupted) process.kill(process.pid, endSignal)
  else {
    if (!(error instanceof StepFailed)) console.error(error)
    process.exit(1)
  }
})
