import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { hasCode } from './errors.ts'
import { syncFolder } from './folder.ts'

/**
 * The password of the role postgres, from DATA_DIR/password (mode 0600).
 * @param create make one if there is none; for a cluster that does not exist yet
 * @throws StartupError if the password is missing and the cluster exists
 */
export async function readPassword(dataDir: string, clusterDir: string, create: boolean): Promise<string> {
  const file = join(dataDir, 'password')
  if (create) await createPassword(dataDir, file)
  const password = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return ''
    throw error
  })
  if (password.trim() !== '') return password.trim()
  throw new StartupError(
    `${file} is missing or empty, and the data beside it open only with this password: put the file back, or write a new ` +
      `password to it and give that to PostgreSQL: ALTER ROLE postgres PASSWORD '...' in "postgres --single -D ${clusterDir} postgres".`,
  )
}

/**
 * Writes and syncs a draft, then links it into place. Several processes at once agree on one password, and a crash
 * leaves the whole password or none.
 */
async function createPassword(dataDir: string, file: string): Promise<void> {
  const draft = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    await writeFile(draft, randomBytes(24).toString('hex'), { mode: 0o600, flush: true })
    await link(draft, file)
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
  } finally {
    await rm(draft, { force: true })
  }
  await syncFolder(dataDir)
}
