import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { hasCode } from './errors.ts'

/** Whether any process has this id. */
export function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return hasCode(error, 'EPERM')
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
  return commandLine.split('\0').includes(clusterDir)
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
