import { execFile, spawn } from 'node:child_process'
import { open, readFile, readlink, rename, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cleanEnvironment, type Identity } from './embedded-identity.ts'
import type { Cluster } from './embedded-cluster.ts'

/** A running PostgreSQL server process. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
}

/** What DATA_DIR/postgres/postmaster.pid says, judged. */
export type PidFile =
  | { readonly state: 'none' }
  /** Written by a PostgreSQL that is starting; look again. */
  | { readonly state: 'unfinished' }
  | { readonly state: 'running'; readonly postmaster: Postmaster }
  /** The process is gone. `blocking`: its id belongs to another process now, and PostgreSQL would refuse to start. */
  | { readonly state: 'stale'; readonly port: number | undefined; readonly blocking: boolean }

const logLimitBytes = 10_000_000
const unfinishedForMs = 2_000

export async function readPidFile(clusterDir: string): Promise<PidFile> {
  const file = join(clusterDir, 'postmaster.pid')
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return { state: 'none' }
  // Lines: process id, data directory, start time, port, ...: https://www.postgresql.org/docs/18/storage-file-layout.html
  const lines = text.split('\n')
  const pid = Number(lines[0])
  const port = Number(lines[3]) || undefined
  if (pid > 0 && (await isPostmaster(pid, clusterDir))) {
    return port ? { state: 'running', postmaster: { pid, port } } : { state: 'unfinished' }
  }
  if (pid > 0) return { state: 'stale', port, blocking: exists(pid) }
  // Empty: being written this very moment, or left by a power cut or a full disk.
  const written = await stat(file).catch(() => undefined)
  const fresh = written !== undefined && Date.now() - written.mtimeMs < unfinishedForMs
  return fresh ? { state: 'unfinished' } : { state: 'stale', port, blocking: true }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Whether the process is the PostgreSQL of this very folder. `kill -0`, which pg_ctl and PostgreSQL itself go by, is not enough:
 * after a reboot or in a container the id is soon somebody else's, and a zombie answers it too.
 */
export async function isPostmaster(pid: number, clusterDir: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    // A child of the server has a title of another form ("postgres: checkpointer").
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
      stdout: '',
    }))
    return stdout.includes(`postgres -D ${clusterDir} `)
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const program = commandLine.split('\0', 1).join()
  if (basename(program) !== 'postgres') return false
  // A server's working directory is its data directory. Compared by inode: DATA_DIR may have been reached by another path.
  const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/cwd`).catch(() => undefined), stat(clusterDir)])
  if (theirs) return theirs.dev === ours.dev && theirs.ino === ours.ino
  return (
    commandLine.split('\0').includes(clusterDir) && (await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) !== ''
  )
}

/** Sets a stale postmaster.pid aside; the file that is moved is kept, for whoever looks into it. */
export async function discardPidFile(clusterDir: string): Promise<void> {
  const file = join(clusterDir, 'postmaster.pid')
  await rename(file, `${file}.stale`).catch(() => undefined)
}

/**
 * A free TCP port of 127.0.0.1, below the ports the system gives to outgoing connections (32768 and up on Linux, 49152 on macOS):
 * while PostgreSQL is down, a pool's attempt to reconnect could be given the very port it tries, and connect to itself.
 */
export async function choosePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** A PostgreSQL process that was started and may have ended since. */
export interface Launch {
  readonly pid: number
  readonly port: number
  /** undefined while it runs; then what it said before it ended. */
  failure(): Promise<string | undefined>
}

/**
 * Starts PostgreSQL, without waiting until it takes connections. It outlives Waymark if that is killed, and is out of reach of
 * Ctrl-C: in a session of its own. No shell and no pg_ctl (which uses one): any DATA_DIR is passed as it is.
 */
export async function launch(
  postgres: string,
  cluster: Cluster,
  port: number,
  identity: Identity | undefined,
): Promise<Launch> {
  await rotateLog(cluster.logFile)
  const log = await open(cluster.logFile, 'a', 0o600)
  try {
    const { size } = await log.stat()
    const args = ['-D', cluster.clusterDir, '-p', String(port)]
    // TCP only: the path of a Unix socket may not be longer than 107 bytes.
    args.push('-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=')
    const child = spawn(postgres, args, {
      // Where it goes by itself a moment later; from the first, so that isPostmaster knows it.
      cwd: cluster.clusterDir,
      env: cleanEnvironment,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      ...(identity && { uid: identity.uid, gid: identity.gid }),
    })
    let ended = false
    let problem: string | undefined
    child.on('error', (error) => {
      ended = true
      problem = error.message
    })
    child.on('exit', () => (ended = true))
    child.unref()
    return {
      // 0, where there is no process, is no server's.
      pid: child.pid ?? 0,
      port,
      failure: async () => (ended ? (problem ?? (await readReason(cluster.logFile, size))) : undefined),
    }
  } finally {
    await log.close()
  }
}

async function rotateLog(logFile: string): Promise<void> {
  const { size } = await stat(logFile).catch(() => ({ size: 0 }))
  if (size > logLimitBytes) await rename(logFile, `${logFile}.1`)
}

async function readReason(logFile: string, fromByte: number): Promise<string> {
  const text = (await readFile(logFile)).subarray(fromByte).toString()
  const fatal = text.split('\n').filter((line) => /(FATAL|PANIC|ERROR): /.test(line))
  const reason = fatal.map((line) => line.replace(/^.*?(FATAL|PANIC|ERROR): +/, '')).join('; ')
  return reason || text.trim().split('\n').slice(-3).join('; ') || 'it ended without a word'
}

/**
 * Ends PostgreSQL and waits until it has: fast (open transactions are rolled back, everything is written), after 5 s immediate (the
 * next start recovers from the log; nothing committed is lost).
 * @returns false if it had to be immediate
 */
export async function endPostmaster(pid: number, clusterDir: string): Promise<boolean> {
  for (const [signal, patienceMs] of [
    ['SIGINT', 5_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (!(await isPostmaster(pid, clusterDir))) return signal === 'SIGINT'
    try {
      process.kill(pid, signal)
    } catch {
      return signal === 'SIGINT'
    }
    const deadline = performance.now() + patienceMs
    while (performance.now() < deadline) {
      if (!(await isPostmaster(pid, clusterDir))) return signal === 'SIGINT'
      await delay(20)
    }
  }
  return false
}
