import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { hasCode } from './errors.ts'

/** Whether any process has this ID. */
export function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

/**
 * Whether the process is the PostgreSQL of this very folder. `kill -0`, on which pg_ctl and PostgreSQL rely, is not
 * enough: after a reboot or in a container another process soon has the ID, and a zombie answers too.
 */
export async function isPostmaster(pid: number, clusterDir: string): Promise<boolean> {
  if (process.platform !== 'linux') {
    // A child of the server has another title ("postgres: checkpointer").
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).catch(() => ({
      stdout: '',
    }))
    return stdout.includes(`postgres -D ${clusterDir} `)
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const program = commandLine.split('\0', 1).join()
  if (basename(program) !== 'postgres') return false
  // A server's working directory is its data directory. Compared by inode, since DATA_DIR may have been reached by
  // another path.
  const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/cwd`).catch(() => undefined), stat(clusterDir)])
  if (theirs) return theirs.dev === ours.dev && theirs.ino === ours.ino
  return commandLine.split('\0').includes(clusterDir)
}

/**
 * Ends PostgreSQL and waits until it has ended. First fast: open transactions are rolled back, and everything is
 * written. After 5 s immediate: the next start recovers from the log, and nothing committed is lost. After another 5 s
 * it is killed.
 * @returns false: the fast shutdown was not enough
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
