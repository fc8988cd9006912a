import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { ImageConfig } from './image-builder.ts'

export type Container = ChildProcessByStdio<null, Readable, Readable>

/** What `--read-only`, USER, WORKDIR and process 1 come to. The network is this machine's. */
const SCRIPT = `set -e
  root=$1 user=$2 folder=$3
  shift 3
  mount --bind "$root" "$root"
  mount -o remount,bind,ro "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  if touch "$root/x" "$root/tmp/x" "$root$folder/x" 2>/dev/null; then echo 'the image can be written to' >&2; exit 1; fi
  exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" env --chdir="$folder" "$@"`

/**
 * Runs an image's files as a container engine does.
 * @param enter the start of a command that sees the files
 * @param root the folder with the image's files
 * @param command in place of the image's own
 */
export function launchContainer(
  enter: readonly [string, ...string[]],
  root: string,
  config: ImageConfig,
  settings: Record<string, string>,
  command: readonly string[] = config.Cmd,
): Container {
  const [program, ...rest] = enter
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', SCRIPT, 'sh']
  const place = [root, config.User, config.WorkingDir, ...config.Entrypoint, ...command]
  const environment = Object.fromEntries(config.Env.map((pair) => pair.split('=', 2) as [string, string]))
  return spawn(program, [...rest, ...unshare, ...place], {
    env: { HOME: '/nonexistent', ...environment, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What a container that ends by itself said. */
export async function runToEnd(container: Container) {
  let stderr = ''
  let stdout = ''
  container.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  container.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(container, 'close')) as [number | null]
  return { code, stderr, stdout }
}

/** The address that the server in the container says it serves, as this machine reaches it. */
export function servedUrl(container: Container): Promise<string> {
  return new Promise((resolve, reject) => {
    let stderr = ''
    container.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    createInterface({ input: container.stdout }).on('line', (line) => {
      const port = /Waymark serves http:\/\/[^:]+:(\d+)\/graphql/.exec(line)?.[1]
      if (port) resolve(`http://127.0.0.1:${port}/graphql`)
    })
    container.once('exit', (code) => reject(new Error(`the server exited with ${code ?? 'a signal'}: ${stderr}`)))
  })
}

export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

/** The init that has a Node process as its child, as soon as there is one below. */
export async function initOfNode(pid: number): Promise<number> {
  for (let parent = pid; ;) {
    const [child] = await childrenOf(parent).catch(() => [])
    // What the script starts before may have ended since it was seen.
    const program = child === undefined ? undefined : await readlink(`/proc/${child}/exe`).catch(() => undefined)
    if (program !== undefined && basename(program) === 'node') return parent
    parent = program === undefined || child === undefined ? pid : child
    await delay(1)
  }
}
