// Starts, watches and ends the processes of a run. Nothing is left afterwards.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const children = new Set()

/** @returns the server's URL when it serves, its process, and its start time in milliseconds */
export async function startServer(args, env, command = process.execPath) {
  const startedAt = performance.now()
  const child = spawn(command, args, {
    env: environment({ PORT: '0', ...env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const served = /serves (http:\S+?)["\s]/.exec(`${line} `)?.[1]
      if (served) resolve(served)
    })
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} exited with ${code}`)))
  })
  return { url, child, startMs: performance.now() - startedAt }
}

/** @returns what a command writes to stdout */
export async function run(command, args, env = {}, input = '') {
  const child = spawn(command, args, { env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] })
  children.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  child.stdin.end(input)
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  children.delete(child)
  if (code !== 0) throw new Error(`${command} failed (${code}): ${stderr}`)
  return stdout
}

export async function stop(child) {
  children.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const over = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const hurry = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await over
  clearTimeout(hurry)
}

export const stopAll = () => Promise.all([...children].map(stop))

/** The processor time that a process has used, in seconds, to 10 ms. Linux only. */
export const cpuSecondsOf = (pid) => statOf(pid).cpuSeconds

export const parentOf = (pid) => statOf(pid).parent

/**
 * The processor time of all children of a process, including ended ones. For PostgreSQL's postmaster these are its
 * connections.
 */
export function cpuSecondsBelow(parent) {
  let sum = statOf(parent).endedCpuSeconds
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = statOf(pid)
      if (stat.parent === parent) sum += stat.cpuSeconds
    } catch {
      // The process has ended meanwhile.
    }
  }
  return sum
}

function statOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return {
    parent: Number(fields[1]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    endedCpuSeconds: (Number(fields[13]) + Number(fields[14])) / 100,
  }
}

/** The memory that a process holds now, in megabytes. Linux only. */
export function residentMegabytesOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function environment(env) {
  return { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...env }
}
