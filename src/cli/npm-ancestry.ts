import { readFileSync } from 'node:fs'

const SHELLS = ['sh', 'dash', 'bash', 'ash', 'ksh', 'zsh', 'fish']
/** The process name of npm ("npm start") and of other package managers. Some of them run as `node`. */
const PACKAGE_MANAGER = /^(npm|npx|node|yarn|pnpm|bun)\b/
/** Nobody nests more shells than this. */
const MOST_LINKS = 10

/**
 * Makes a check for whether npm, which started this process by a script or npx, is gone. Shells may stand between the
 * two. Some live as long as the command they run; a SIGTERM that npm passes on ends such a shell without a signal to
 * this process.
 * @param parentPid this process's parent, read as early as possible
 * @returns a function: whether npm or a shell in between is gone. Only Linux shows what a process is; elsewhere only
 *   the parent is watched
 */
export function watchNpm(parentPid: number): () => boolean {
  const isOrphan = () => process.ppid !== parentPid
  if (process.platform !== 'linux' || isOrphan()) return isOrphan
  const links = findLinks(parentPid)
  // Something else stands in between, for example an editor with a terminal. It may close while this process runs on.
  if (!links) return () => false
  return () => isOrphan() || links.some(({ pid, parentPid: parent }) => readProcess(pid)?.parentPid !== parent)
}

interface Link {
  readonly pid: number
  readonly parentPid: number
}

/** Each shell from the parent up to npm, with its own parent; undefined: the chain does not lead to npm. */
function findLinks(parentPid: number): readonly Link[] | undefined {
  const links: Link[] = []
  for (let pid = parentPid; links.length < MOST_LINKS;) {
    const found = readProcess(pid)
    if (found && PACKAGE_MANAGER.test(found.name)) return links
    if (!found || !SHELLS.includes(found.name)) return undefined
    links.push({ pid, parentPid: found.parentPid })
    pid = found.parentPid
  }
  return undefined
}

function readProcess(pid: number): { readonly name: string; readonly parentPid: number } | undefined {
  try {
    const [, name = '', parentPid] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return { name, parentPid: Number(parentPid) }
  } catch {
    return undefined
  }
}
