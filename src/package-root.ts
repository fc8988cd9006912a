import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder that holds package.json and prisma/, in a checkout, in the image and in an installed package. Found by
 * walking up, because a bundle moves this file: src/package-root.ts becomes a part of dist/chunks/….js.
 */
export const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)))

function findPackageRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const above = dirname(folder)
  if (above === folder) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}: install Waymark anew`)
  return findPackageRoot(above)
}
