import { readFileSync } from 'node:fs'

const SHELLS = ['sh', 'dash', 'bash', 'ash', 'ksh', 'zsh', 'fish']
/** What npm's process is called ("npm start"), and those of its like that are Node programs without a title. */
const PACKAGE_MANAGER = /^(npm|npx|node|yarn|pnpm|bun)\b/
/** More shells than anybody nests. */
const MOST_LINKS = 10

/**
 * Looks whether npm, which started this process by a script or npx, is still there. Between the two may be shells: some stay for as
 * long as what they run, and end at a SIGTERM that npm passes on to them, without a word to this process.
 * @param parentPid this process' parent, read as early as can be
 * @returns a look: whether npm or a shell in between is gone. Only Linux tells what a process is; elsewhere the parent alone is watched
 */
export function watchNpm(parentPid: number): () => boolean {
  const isOrphan = () => process.ppid !== parentPid
  if (process.platform !== 'linux' || isOrphan()) return isOrphan
  const links = findLinks(parentPid)
  // An editor, say, that npm started, and a terminal in it: these may close.
  if (!links) return () => false
  return () => isOrphan() || links.some(({ pid, parentPid: parent }) => readProcess(pid)?.parentPid !== parent)
}

interface Link {
  readonly pid: number
  readonly parentPid: number
}

/** Each shell from the parent up to npm, with its parent; undefined where that does not lead to npm. */
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
