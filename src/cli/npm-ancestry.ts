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
  const found = findLinks(parentPid)
  if (found === 'gone') return () => true
  // Something else stands in between, for example an editor with a terminal. It may close while this process runs on.
  if (found === 'elsewhere') return () => false
  return () => isOrphan() || found.some(({ pid, parentPid: parent }) => readProcess(pid)?.parentPid !== parent)
}

interface Link {
  readonly pid: number
  readonly parentPid: number
}

interface Process {
  readonly pid: number
  readonly name: string
  readonly parentPid: number
  readonly sessionId: number
}

/**
 * Each shell from the parent up to npm, with its own parent. `gone`: npm ended before the parent was read. A SIGTERM
 * between npm's fork and the next line of npm, which passes signals on, does that. `elsewhere`: the chain leads to
 * something else.
 */
function findLinks(parentPid: number): readonly Link[] | 'gone' | 'elsewhere' {
  const links: Link[] = []
  let child = readProcess(process.pid)
  for (let pid = parentPid; links.length < MOST_LINKS;) {
    const found = readProcess(pid)
    if (found && PACKAGE_MANAGER.test(found.name)) return links
    if (!found || isAdopted(child, found)) return 'gone'
    if (!SHELLS.includes(found.name)) return 'elsewhere'
    links.push({ pid, parentPid: found.parentPid })
    child = found
    pid = found.parentPid
  }
  return 'elsewhere'
}

/**
 * Whether a process got its parent when the one that started it ended: it belongs to a session of the terminal that its
 * parent is not in, and did not begin that session.
 */
function isAdopted(child: Process | undefined, parent: Process): boolean {
  return child !== undefined && child.sessionId !== parent.sessionId && child.sessionId !== child.pid
}

function readProcess(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, name = '', parentPid, sessionId] = /^\d+ \((.*)\) \S (\d+) \d+ (\d+)/s.exec(stat) ?? []
    return { pid, name, parentPid: Number(parentPid), sessionId: Number(sessionId) }
  } catch {
    return undefined
  }
}
