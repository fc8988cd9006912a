import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { endOnExit } from './exit.ts'

/** The system user that PostgreSQL runs as if Waymark runs as root: PostgreSQL refuses to run as root. */
export interface Identity {
  readonly user: string
  readonly uid: number
  readonly gid: number
}

export interface Finished {
  /** null: a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * The environment of PostgreSQL's programs, instead of Waymark's. So PGOPTIONS, LC_ALL or TZ of the machine change
 * nothing, and they inherit no secret.
 */
export const cleanEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}

/**
 * Chooses the user that PostgreSQL runs as.
 * @param clusterDir the cluster's folder. If it exists, its owner stays its owner, so that one start with `sudo` breaks
 *   nothing
 * @returns undefined: Waymark is not root, so PostgreSQL runs as the same user as Waymark
 * @throws StartupError if there is no user postgres and none can be made
 */
export async function chooseIdentity(clusterDir: string): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(clusterDir).catch(() => undefined)
  if (owner && owner.uid !== 0) return { user: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  return (await lookUp('postgres')) ?? (await createUser('postgres'))
}

async function lookUp(user: string): Promise<Identity | undefined> {
  const [uid, gid] = await Promise.all([run(undefined, 'id', ['-u', user]), run(undefined, 'id', ['-g', user])])
  if (uid.exitCode !== 0 || gid.exitCode !== 0) return undefined
  return { user, uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

async function createUser(user: string): Promise<Identity> {
  const shell = '/usr/sbin/nologin'
  // groupadd --force accepts a group that a removed user left behind.
  const group = await runOrExplain('groupadd', ['--force', '--system', user])
  const made = await runOrExplain('useradd', ['--system', '--gid', user, '--no-create-home', '--shell', shell, user])
  // Looked up whatever useradd answered: another Waymark may have made the same user at the same moment.
  const identity = await lookUp(user)
  if (identity) return identity
  throw new StartupError(
    `PostgreSQL does not run as root, and the system user "${user}" could not be made ` +
      `(${[group, made].filter(Boolean).join('; ')}): make it, start Waymark as an ordinary user, or set DATABASE_URL.`,
  )
}

async function runOrExplain(file: string, args: string[]): Promise<string> {
  const { exitCode, stderr } = await run(undefined, file, args)
  return exitCode === 0 ? '' : `${file}: ${stderr.trim()}`
}

/**
 * Runs a program to its end, as the identity if there is one. It has a session of its own, so that Ctrl-C in the
 * terminal reaches only Waymark. The promise never rejects: a program that cannot be started has exit code 127, as in a
 * shell.
 */
export function run(identity: Identity | undefined, file: string, args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      // Not the working directory, because the identity may not be able to enter it.
      cwd: '/',
      env: cleanEnvironment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(identity && { uid: identity.uid, gid: identity.gid }),
    })
    // The whole group, because initdb starts other programs.
    const forget = child.pid === undefined ? () => undefined : endOnExit(-child.pid, 'SIGKILL')
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', (error) => resolve({ exitCode: 127, stdout, stderr: error.message }))
    child.on('close', (exitCode) => {
      forget()
      resolve({ exitCode, stdout, stderr })
    })
  })
}

/**
 * The first folder on the way to `path`, from the root down, that the identity cannot pass. It is tested by trying,
 * since ACLs and security modules decide too, not only the mode. Folders that do not exist yet count as free: Waymark
 * makes them. If something on the way is not a folder, making the next one fails with a better message.
 * @returns undefined: the way is free
 */
export async function findBarrier(identity: Identity | undefined, path: string): Promise<string | undefined> {
  if (!identity) return undefined
  for (const folder of folderAndAncestors(path)) {
    const found = await stat(folder).catch(() => undefined)
    if (!found?.isDirectory()) return undefined
    const { exitCode } = await run(identity, '/bin/sh', ['-c', 'test -x "$1"', 'sh', folder])
    if (exitCode !== 0) return folder
  }
  return undefined
}

function folderAndAncestors(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [path] : [...folderAndAncestors(parent), path]
}
