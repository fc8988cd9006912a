import { spawn } from 'node:child_process'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { cleanEnvironment, type Identity } from './identity.ts'
import type { Cluster } from './cluster.ts'
import { hasCode } from './errors.ts'
import { exists, isPostmaster } from './process.ts'

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

/** How Launch.failure() begins when somebody killed it. */
export const endedBySignal = 'it was ended by'

const logLimitBytes = 10_000_000
const unfinishedForMs = 2_000

export async function readPidFile(clusterDir: string): Promise<PidFile> {
  const file = join(clusterDir, 'postmaster.pid')
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
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
  // Negative: somebody runs `postgres --single` on it, and a PostgreSQL that is started says so.
  if (pid < 0) return { state: 'stale', port, blocking: false }
  // Empty: being written this very moment, or left by a power cut or a full disk.
  const written = await stat(file).catch(() => undefined)
  const fresh = written !== undefined && Date.now() - written.mtimeMs < unfinishedForMs
  return fresh ? { state: 'unfinished' } : { state: 'stale', port, blocking: true }
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
    if (identity) await log.chown(identity.uid, identity.gid)
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
    let ended: string | undefined
    child.on('error', (error) => (ended = error.message))
    child.on('exit', (_, signal) => (ended = signal ? `${endedBySignal} ${signal}` : ''))
    child.unref()
    return {
      // 0, where there is no process, is no server's.
      pid: child.pid ?? 0,
      port,
      failure: async () => (ended === undefined ? undefined : ended || (await readReason(cluster.logFile, size))),
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
  // What it says before its log is set up has no level.
  return reason || text.trim().split('\n').slice(-3).join('; ')
}
