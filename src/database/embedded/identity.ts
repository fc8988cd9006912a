import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { endOnExit } from './exit.ts'

/** The system user PostgreSQL runs as when Waymark runs as root (PostgreSQL refuses to). */
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
 * What PostgreSQL's programs see instead of Waymark's environment: PGOPTIONS, LC_ALL or TZ of the machine change nothing, and no
 * secret of ours is inherited.
 */
export const cleanEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
}

/**
 * Chooses whom PostgreSQL runs as.
 * @param clusterDir the cluster's folder; when it exists, its owner goes on owning it, so that a `sudo` start between others breaks nothing
 * @returns undefined where Waymark is not root: then PostgreSQL simply runs as whoever runs Waymark
 * @throws StartupError when there is no such user and none can be made
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
  // A group left over from a removed user is taken as it is; groupadd --force says nothing about it.
  const group = await runOrExplain('groupadd', ['--force', '--system', user])
  const made = await runOrExplain('useradd', ['--system', '--gid', user, '--no-create-home', '--shell', shell, user])
  // Looked up whatever useradd said: another Waymark may have made the same user at the same moment.
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
 * Runs a program to its end, as the identity if there is one. In a session of its own, so that Ctrl-C in the terminal reaches only
 * Waymark. Never rejects: a program that can't be started is exit code 127, as in a shell.
 */
export function run(identity: Identity | undefined, file: string, args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      // Not the working directory: the identity may not be able to enter it.
      cwd: '/',
      env: cleanEnvironment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(identity && { uid: identity.uid, gid: identity.gid }),
    })
    // Group and all: initdb starts others.
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
 * The first folder on the way to `path`, from the root down, that the identity can't pass: tried for real, since ACLs and
 * security modules decide too, not only the mode. Folders that don't exist yet can be passed: we make them.
 * Something that is no folder is left to whoever makes the next one and fails with a better message.
 * @returns undefined when the way is free
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
