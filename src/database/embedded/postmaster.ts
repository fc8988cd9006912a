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

/** What DATA_DIR/postgres/postmaster.pid means. */
export type PidFile =
  | { readonly state: 'none' }
  /** A PostgreSQL that is starting writes it at the moment; look again. */
  | { readonly state: 'unfinished' }
  | { readonly state: 'running'; readonly postmaster: Postmaster }
  /**
   * The process is gone. `blocking`: PostgreSQL would refuse to start, because another process has the ID now or the
   * file is empty.
   */
  | { readonly state: 'stale'; readonly port: number | undefined; readonly blocking: boolean }

/** How Launch.failure() begins if a signal ended PostgreSQL. */
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
  // Lines: process ID, data directory, start time, port, ...:
  // https://www.postgresql.org/docs/18/storage-file-layout.html
  const lines = text.split('\n')
  const pid = Number(lines[0])
  const port = Number(lines[3]) || undefined
  if (pid > 0 && (await isPostmaster(pid, clusterDir))) {
    return port ? { state: 'running', postmaster: { pid, port } } : { state: 'unfinished' }
  }
  if (pid > 0) return { state: 'stale', port, blocking: exists(pid) }
  // Negative: somebody runs `postgres --single` on the cluster. A PostgreSQL that is started now reports that.
  if (pid < 0) return { state: 'stale', port, blocking: false }
  // Empty: it is being written at this moment, or a power cut or a full disk left it.
  const written = await stat(file).catch(() => undefined)
  const fresh = written !== undefined && Date.now() - written.mtimeMs < unfinishedForMs
  return fresh ? { state: 'unfinished' } : { state: 'stale', port, blocking: true }
}

/** Moves a stale postmaster.pid aside. The file is kept for somebody who looks into the matter. */
export async function discardPidFile(clusterDir: string): Promise<void> {
  const file = join(clusterDir, 'postmaster.pid')
  await rename(file, `${file}.stale`).catch(() => undefined)
}

/**
 * A free TCP port of 127.0.0.1, below the ports that the system gives to outgoing connections (32768 and up on Linux,
 * 49152 on macOS). Otherwise, while PostgreSQL is down, a pool that reconnects could be given this very port as its own
 * end, and connect to itself.
 * @param preferred returned if it is free
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
  /** undefined: it still runs. Otherwise what it reported before it ended. */
  failure(): Promise<string | undefined>
}

/**
 * Starts PostgreSQL, and does not wait until it accepts connections. It runs in a session of its own: it survives if
 * Waymark is killed, and Ctrl-C does not reach it. No shell and no pg_ctl (which uses one), so that any DATA_DIR is
 * passed as it is.
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
    // TCP only: the path of a Unix socket may have at most 107 bytes.
    args.push('-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=')
    const child = spawn(postgres, args, {
      // PostgreSQL changes to this folder by itself a moment later. Started here, isPostmaster knows it from the
      // beginning.
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
      // No server has the process ID 0. It stands for a process that could not be started.
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
  // What it reports before its log is set up has no level.
  return reason || text.trim().split('\n').slice(-3).join('; ')
}
