import { resolve } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { findBinaries, findPackage } from './binaries.ts'
import { clusterDirOf, openCluster } from './cluster.ts'
import { explainFileError } from './errors.ts'
import { chooseIdentity, findBarrier, type Identity } from './identity.ts'
import type { Cluster } from './cluster.ts'
import { acquire, LockTaken } from './lock.ts'
import { Owner, type Log } from './owner.ts'

/** The PostgreSQL that comes with Waymark, running and owned by this process. */
export interface EmbeddedDatabase {
  /** postgresql:// URL of the database "waymark" on 127.0.0.1, with its password. It stays the same until stop(). */
  readonly url: string
  readonly dataDir: string
  /** Sentences for the start line, for example where the data are and why, if that is not where one would look. */
  readonly notes: readonly string[]
  /** Whether a PostgreSQL that a killed Waymark had left running was taken over. */
  readonly adopted: boolean
  /**
   * Shuts PostgreSQL down (fast) and waits until it has ended. That takes at most about 15 s; then it was killed.
   * Idempotent.
   */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** undefined: defaultDataDir, or systemDir if Waymark is root and the postgres user cannot reach that. */
  readonly dataDir: string | undefined
  /** Default: ./.data. */
  readonly defaultDataDir?: string
  readonly log: Log
  /** For tests. Default: the working directory, /var/lib/waymark and the installed package. */
  readonly workingDir?: string
  readonly systemDir?: string
  readonly packageDir?: string
}

/**
 * Starts the embedded PostgreSQL, or takes over the one that a killed Waymark left running on the same data. Until
 * stop() it is kept running: after a crash it is started again on the same port. Nothing that a crash or a kill leaves
 * behind needs manual repair.
 * If a signal arrives before this resolves, the caller must remember it and call stop() then.
 * @throws StartupError for problems that the operator can fix: a data directory in use, of another version, or without
 *   rights
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const { log, systemDir = '/var/lib/waymark' } = options
  const wanted = resolve(options.workingDir ?? '.', options.dataDir ?? options.defaultDataDir ?? '.data')
  const identity = await chooseIdentity(clusterDirOf(wanted))
  const notes: string[] = []
  const dataDir = await chooseDataDir(wanted, options.dataDir !== undefined, systemDir, identity, notes)
  try {
    const copyTo = identity ? [systemDir, dataDir] : [dataDir]
    const binaries = await findBinaries(options.packageDir ?? findPackage(), copyTo, identity)
    if (binaries.copiedTo) log.info({ folder: binaries.copiedTo }, 'PostgreSQL runs from a copy of its binaries')
    const cluster = await openCluster(dataDir, binaries, identity)
    const held = await acquire(cluster, binaries, identity, undefined, new AbortController().signal)
    const owner = new Owner(cluster, binaries, identity, log, held)
    if (held.adopted) notes.push('took over the PostgreSQL that a killed Waymark had left running')
    log.info({ dataDir: cluster.dataDir, port: held.port, adopted: held.adopted }, 'embedded PostgreSQL is up')
    return {
      url: urlOf(cluster, held.port),
      dataDir: cluster.dataDir,
      notes,
      adopted: held.adopted,
      stop: () => owner.stop(),
    }
  } catch (error) {
    throw explainFileError(error, dataDir, identity)
  }
}

/**
 * The embedded database for a command that runs beside a server or without one. A running server's database is used,
 * and stop() leaves it running. Without a server it is started here, and stop() stops it.
 * @throws StartupError as startEmbedded does, but not for a data directory in use
 */
export async function joinEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  try {
    return await startEmbedded(options)
  } catch (error) {
    if (!(error instanceof StartupError) || !(error.cause instanceof LockTaken)) throw error
    const { cluster, port } = error.cause
    return {
      url: urlOf(cluster, port),
      dataDir: cluster.dataDir,
      notes: [],
      adopted: false,
      stop: () => Promise.resolve(),
    }
  }
}

function urlOf(cluster: Cluster, port: number): string {
  // sslmode is stated, because pg otherwise follows PGSSLMODE.
  return `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/waymark?sslmode=disable`
}

async function chooseDataDir(
  wanted: string,
  isExplicit: boolean,
  systemDir: string,
  identity: Identity | undefined,
  notes: string[],
): Promise<string> {
  const barrier = await findBarrier(identity, wanted)
  if (!identity || barrier === undefined) return wanted
  if (isExplicit) {
    throw new StartupError(
      `DATA_DIR ${wanted} can't be reached by ${identity.user}, as whom PostgreSQL runs when root starts it: ` +
        `chmod o+x ${barrier}, or choose another DATA_DIR, such as ${systemDir}.`,
    )
  }
  notes.push(
    `data are in ${systemDir}, because the user ${identity.user} can't reach ${wanted} (PostgreSQL does not run as root)`,
  )
  return systemDir
}
