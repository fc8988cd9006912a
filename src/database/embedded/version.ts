import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { hasCode } from './errors.ts'

/** The major version of the cluster in a folder ("18"); undefined: there is no cluster. */
export async function readVersion(clusterDir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(clusterDir, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** @throws StartupError if DATA_DIR holds a cluster that Waymark did not make, or one of another major version */
export async function checkVersion(dataDir: string, clusterDir: string, major: string): Promise<void> {
  const found = await readVersion(clusterDir)
  if (found !== undefined && found !== major) throw new StartupError(explainUpgrade(dataDir, clusterDir, found, major))
  const foreign = await readVersion(dataDir)
  if (foreign === undefined) return
  const remedy =
    foreign === major
      ? 'start that PostgreSQL yourself and set DATABASE_URL to it'
      : `run PostgreSQL ${foreign} on it, dump it (pg_dump -Fc -f waymark.dump), and restore into the one that Waymark then starts ` +
        '(pg_restore -d <its URL> waymark.dump)'
  throw new StartupError(
    `DATA_DIR ${dataDir} is itself the data directory of a PostgreSQL ${foreign}, which Waymark did not make: ` +
      `give Waymark a folder of its own; to use those data, ${remedy}.`,
  )
}

/**
 * The commands are complete and can be pasted. They use the old version's programs, which the owner of such data once
 * had.
 */
function explainUpgrade(dataDir: string, clusterDir: string, found: string, major: string): string {
  const oldDir = `${dataDir}-${found}`
  const oldCluster = quote(clusterDir.replace(dataDir, oldDir))
  const login = (port: string) => `-h 127.0.0.1 -p ${port} -U postgres -d waymark`
  const password = (folder: string) => `PGPASSWORD=$(cat ${quote(`${folder}/password`)})`
  return (
    `DATA_DIR ${dataDir} holds data of PostgreSQL ${found}, and this Waymark brings PostgreSQL ${major}. ` +
    `Move and dump them with PostgreSQL ${found}'s programs, as the user who owns them: mv ${quote(dataDir)} ${quote(oldDir)} && ` +
    `pg_ctl -w -D ${oldCluster} -o "-p 54318 -c unix_socket_directories=" start && ` +
    `${password(oldDir)} pg_dump ${login('54318')} -Fc -f waymark.dump && pg_ctl -D ${oldCluster} stop; ` +
    `then start Waymark, and while it runs restore them: ${password(dataDir)} pg_restore --clean --if-exists ` +
    `${login(`$(sed -n 4p ${quote(`${clusterDir}/postmaster.pid`)})`)} waymark.dump`
  )
}

const quote = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`
