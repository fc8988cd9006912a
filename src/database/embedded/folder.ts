import { chmod, mkdir, open, readlink, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StartupError } from '../../errors/startup-error.ts'
import { hasCode } from './errors.ts'

/**
 * Makes a folder and its missing ancestors. As root it lets others pass them, whatever root's umask is: the postgres
 * user must.
 * It does not use mkdir's `recursive`: below /proc, where nobody can make a folder, Node would try forever.
 * @throws the operating system's error; StartupError for a link whose target does not exist
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return requireFolder(folder, error)
    if (!hasCode(error, 'ENOENT') || dirname(folder) === folder) throw error
    await makeFolder(dirname(folder))
    await mkdir(folder).catch((reason: unknown) => {
      // Another process made it in between.
      if (!hasCode(reason, 'EEXIST')) throw reason
    })
  }
  if (process.getuid?.() === 0) await chmod(folder, 0o755)
}

async function requireFolder(path: string, found: unknown): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw found
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    throw new StartupError(
      `DATA_DIR: ${path} is a link to ${await readlink(path)}, which does not exist: make that folder, or choose another DATA_DIR.`,
      { cause: error },
    )
  }
}

/**
 * Syncs a folder, so that new and renamed names in it survive a power cut. To sync the files themselves is not enough.
 */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
