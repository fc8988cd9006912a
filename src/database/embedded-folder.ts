import { chmod, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a folder and its missing ancestors. As root others can pass, whatever root's umask is: the postgres user must. */
export async function makeFolder(folder: string): Promise<void> {
  const topmost = await mkdir(folder, { recursive: true })
  if (topmost === undefined || process.getuid?.() !== 0) return
  for (let path = folder; path.startsWith(topmost); path = dirname(path)) await chmod(path, 0o755)
}

/** Makes names in a folder (new, renamed) survive a power cut; syncing the files themselves doesn't. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
