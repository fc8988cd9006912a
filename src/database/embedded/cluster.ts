import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import type { Binaries } from './binaries.ts'
import { makeFolder, syncFolder } from './folder.ts'
import { run, type Identity } from './identity.ts'
import { readPassword } from './password.ts'
import { exists } from './process.ts'
import { checkVersion, readVersion } from './version.ts'

/** The most connections that an embedded PostgreSQL accepts. */
export const EMBEDDED_MAX_CONNECTIONS = 200

/** A PostgreSQL cluster on disk. DATA_DIR holds postgres/ (its files), password and postgres.log. */
export interface Cluster {
  /** The real path, without symlinks. */
  readonly dataDir: string
  /** PostgreSQL's data directory. */
  readonly clusterDir: string
  readonly password: string
  readonly logFile: string
}

/** PostgreSQL's own folder in a DATA_DIR. */
export const clusterDirOf = (dataDir: string): string => join(dataDir, 'postgres')

const unfinishedPrefix = '.initdb-'
/** initdb takes 1 to 3 s. A folder this old was left by a crash, even if a process has its process ID now. */
const abandonedAfterMs = 600_000

/**
 * Opens the cluster in a folder. It makes the folder, the password and the cluster if they are missing. Several
 * processes may do this at once, and one may be killed at any moment: initdb works in a temporary folder beside it,
 * which is renamed when complete.
 * @throws StartupError for another PostgreSQL version, a missing password, or an error of initdb; file system errors as
 *   they are
 */
export async function openCluster(
  dataDir: string,
  binaries: Binaries,
  identity: Identity | undefined,
): Promise<Cluster> {
  await makeFolder(dataDir)
  const folder = await realpath(dataDir)
  const clusterDir = clusterDirOf(folder)
  await checkVersion(folder, clusterDir, binaries.major)
  await removeAbandoned(folder)
  const isNew = (await readVersion(clusterDir)) === undefined
  const password = await readPassword(folder, clusterDir, isNew)
  if (isNew) await createCluster(folder, clusterDir, password, binaries, identity)
  return { dataDir: folder, clusterDir, password, logFile: join(folder, 'postgres.log') }
}

async function removeAbandoned(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(unfinishedPrefix)) continue
    const path = join(dataDir, name)
    const pid = Number(name.slice(unfinishedPrefix.length).split('-', 1).join())
    const made = await stat(path).catch(() => undefined)
    // In a container each start may get the same process ID: a folder older than this process is not its own.
    const since = pid === process.pid ? performance.timeOrigin : Date.now() - abandonedAfterMs
    const inUse = made !== undefined && made.mtimeMs >= since && exists(pid)
    // If a Waymark was killed, its initdb may write for another second. What that leaves is removed at the next start.
    if (!inUse) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

async function createCluster(
  dataDir: string,
  clusterDir: string,
  password: string,
  binaries: Binaries,
  identity: Identity | undefined,
): Promise<void> {
  const unfinished = join(dataDir, `${unfinishedPrefix}${process.pid}-${randomBytes(4).toString('hex')}`)
  const passwordFile = join(unfinished, 'password')
  const data = join(unfinished, 'data')
  try {
    await mkdir(unfinished, { mode: 0o700 })
    await writeFile(passwordFile, password, { mode: 0o600 })
    await mkdir(data, { mode: 0o700 })
    if (identity) for (const path of [passwordFile, data, unfinished]) await chown(path, identity.uid, identity.gid)
    const { exitCode, stderr } = await run(identity, binaries.initdb, initdbArguments(data, passwordFile))
    if (exitCode !== 0) {
      const lines = stderr
        .trim()
        .split('\n')
        .map((line) => line.replace(/^.*?(error|FATAL|PANIC): +/, '$1: '))
      const reason = lines.filter((line) => /^(error|FATAL|PANIC): /.test(line)).join('; ') || lines.join('; ')
      throw new StartupError(`PostgreSQL could not make its files in DATA_DIR ${dataDir}: ${reason}`)
    }
    await rename(data, clusterDir)
    await syncFolder(dataDir)
  } catch (error) {
    // Another process was faster: its cluster has the same password and serves as well.
    if ((await readVersion(clusterDir).catch(() => undefined)) === undefined) throw error
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

function initdbArguments(data: string, passwordFile: string): string[] {
  const settings = {
    max_connections: String(EMBEDDED_MAX_CONNECTIONS),
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The log's size is checked only at a start, and refused statements contain values. So the log records what happens
    // to the server, but no statements.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
  }
  return [
    `--pgdata=${data}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    // Text sorts by code point on every machine. The operating system's collations differ, and change under an index.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`),
  ]
}
