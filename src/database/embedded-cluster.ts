import { randomBytes } from 'node:crypto'
import {
  chmod,
  chown,
  link,
  mkdir,
  open,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../startup-error.ts'
import type { Binaries } from './embedded-binaries.ts'
import { run, type Identity } from './embedded-identity.ts'

/** A PostgreSQL cluster on disk. DATA_DIR holds postgres/ (its files), password and postgres.log. */
export interface Cluster {
  readonly dataDir: string
  /** What PostgreSQL calls the data directory. */
  readonly clusterDir: string
  readonly password: string
  readonly logFile: string
}

/** PostgreSQL's own folder in a DATA_DIR. */
export const clusterDirOf = (dataDir: string): string => join(dataDir, 'postgres')

const unfinishedPrefix = '.initdb-'
/** initdb takes 1 to 3 s; what is this old was left by a crash, whoever has its process id now. */
const abandonedAfterMs = 600_000

/**
 * Opens the cluster in a folder, making folder, password and cluster where missing. Safe when several processes do it at once and
 * when one is killed at any moment: initdb works in a temporary neighbour that is renamed when complete.
 * @throws StartupError for whatever whoever starts Waymark can mend: rights, a full disk, another PostgreSQL version
 */
export async function openCluster(
  dataDir: string,
  binaries: Binaries,
  identity: Identity | undefined,
): Promise<Cluster> {
  await makeFolder(dataDir)
  const folder = await realpath(dataDir)
  const clusterDir = clusterDirOf(folder)
  await checkVersion(folder, binaries.major)
  await removeAbandoned(folder)
  const isNew = (await readVersion(clusterDir)) === undefined
  const password = await readPassword(folder, isNew)
  if (isNew) await createCluster(folder, clusterDir, password, binaries, identity)
  return { dataDir: folder, clusterDir, password, logFile: join(folder, 'postgres.log') }
}

async function makeFolder(dataDir: string): Promise<void> {
  if (await mkdir(dataDir, { recursive: true })) {
    // As root the postgres user must be able to pass, whatever root's umask is. PostgreSQL keeps its own files at 0700.
    await chmod(dataDir, process.getuid?.() === 0 ? 0o755 : 0o700)
  }
}

async function readVersion(clusterDir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function checkVersion(dataDir: string, major: string): Promise<void> {
  const clusterDir = clusterDirOf(dataDir)
  const found = await readVersion(clusterDir)
  const foreign = await readVersion(dataDir)
  if (found !== undefined && found !== major) {
    throw new StartupError(explainVersion(dataDir, clusterDir, found, major))
  }
  if (foreign !== undefined && foreign !== major)
    throw new StartupError(explainVersion(dataDir, dataDir, foreign, major))
  if (foreign !== undefined) {
    throw new StartupError(
      `DATA_DIR ${dataDir} is the data directory of a PostgreSQL that is not Waymark's: give Waymark a folder of its own, ` +
        'or start that PostgreSQL yourself and set DATABASE_URL to it.',
    )
  }
}

function explainVersion(dataDir: string, clusterDir: string, found: string, major: string): string {
  const old = `"${dataDir}-${found}"`
  const oldCluster = `"${clusterDir.replace(dataDir, `${dataDir}-${found}`)}"`
  const connect = (folder: string, port: string) =>
    `PGPASSWORD="$(cat ${folder}/password)" %s -h 127.0.0.1 -p ${port} -U postgres`
  const dump = connect(old, '54318').replace('%s', 'pg_dump -Fc -f waymark.dump')
  const restore = connect(`"${dataDir}"`, `"$(sed -n 4p "${clusterDirOf(dataDir)}/postmaster.pid")"`).replace(
    '%s',
    'pg_restore --clean --if-exists',
  )
  return (
    `DATA_DIR ${dataDir} holds data of PostgreSQL ${found}, this Waymark brings PostgreSQL ${major}. ` +
    `Move it away and dump it with PostgreSQL ${found}'s programs: mv "${dataDir}" ${old} && ` +
    `pg_ctl -w -D ${oldCluster} -o "-p 54318 -c unix_socket_directories=" start && ${dump} waymark && pg_ctl -D ${oldCluster} stop; ` +
    `then start Waymark, which makes a new folder, and restore while it runs: ${restore} -d waymark waymark.dump`
  )
}

async function removeAbandoned(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(unfinishedPrefix)) continue
    const path = join(dataDir, name)
    const pid = Number(name.slice(unfinishedPrefix.length).split('-', 1).join())
    const made = await stat(path).catch(() => undefined)
    // In a container each start may get the same process id: what is older than this process is not its own.
    const since = pid === process.pid ? performance.timeOrigin : Date.now() - abandonedAfterMs
    const inUse = made !== undefined && made.mtimeMs >= since && isAlive(pid)
    // An initdb whose Waymark was killed may still write into it for a second: what remains goes at the next start.
    if (!inUse) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function readPassword(dataDir: string, create: boolean): Promise<string> {
  const file = join(dataDir, 'password')
  if (create) await createPassword(dataDir, file)
  const password = (await readFile(file, 'utf8').catch(rejectUnlessMissing)).trim()
  if (password !== '') return password
  throw new StartupError(
    `${file} is missing or empty, and PostgreSQL's data beside it opens only with it: put the file back, or choose a new password: ` +
      `write it to that file and give it to the role postgres (ALTER ROLE postgres PASSWORD '...' in "postgres --single -D ` +
      `${clusterDirOf(dataDir)} postgres").`,
  )
}

function rejectUnlessMissing(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
  throw error
}

/** Written, synced, then linked into place: several processes at once agree on one password, and a crash leaves all of it or none. */
async function createPassword(dataDir: string, file: string): Promise<void> {
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`
  await writeFile(draft, randomBytes(24).toString('hex'), { mode: 0o600, flush: true })
  try {
    await link(draft, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await rm(draft, { force: true })
  }
  await syncFolder(dataDir)
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
      const reason =
        stderr
          .trim()
          .split('\n')
          .filter((line) => line.includes('error:'))
          .join('; ') || stderr.trim()
      throw new StartupError(
        `PostgreSQL could not make its files in DATA_DIR ${dataDir}: ${reason.replaceAll(/\s+/g, ' ')}`,
      )
    }
    await rename(data, clusterDir)
    await syncFolder(dataDir)
  } catch (error) {
    // Another process was quicker: its cluster has the same password and is as good.
    if ((await readVersion(clusterDir).catch(() => undefined)) === undefined) throw error
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

function initdbArguments(data: string, passwordFile: string): string[] {
  const settings = {
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The log is bounded only at a start, and refused statements carry values: it keeps what happens to the server, no statements.
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
    // Text sorts by code point on every machine; the operating system's collations differ and change under an index.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`),
  ]
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
