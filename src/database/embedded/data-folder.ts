import { homedir } from 'node:os'
import { join, resolve, sep } from 'node:path'

/**
 * Where the embedded database is if nobody says where: in the working directory of a checkout, and in the user's data
 * folder of an installed package, which `npx waymark` runs from any folder.
 * @param root the folder of this package
 * @param xdgDataHome the variable XDG_DATA_HOME of the XDG Base Directory Specification; undefined or empty: not set
 * @returns an absolute path
 */
export function defaultDataDir(root: string, xdgDataHome: string | undefined, platform = process.platform): string {
  if (!root.split(sep).includes('node_modules')) return resolve('.data')
  const ofSystem = platform === 'darwin' ? 'Library/Application Support' : '.local/share'
  return join(xdgDataHome || join(homedir(), ofSystem), 'waymark')
}
