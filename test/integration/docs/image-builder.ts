import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { root } from './markdown.ts'

const run = promisify(execFile)
const OUTPUT_BYTES = 64 * 1024 * 1024
const BASE = 'localhost/node'

/** What the tests of the image say where they cannot run. */
export const needsBuildah = 'needs root on Debian, and buildah: apt-get install buildah'

export const hasBuildah =
  existsSync('/etc/debian_version') &&
  spawnSync('buildah', ['--version']).status === 0 &&
  // In a container even root may not be allowed to mount.
  spawnSync('unshare', ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

/** What `buildah inspect` says of how an image runs. */
export interface ImageConfig {
  readonly User: string
  readonly WorkingDir: string
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly StopSignal: string
  readonly ExposedPorts: Readonly<Record<string, object>>
  readonly Healthcheck: { readonly Test: readonly string[] }
}

export interface ImageBuilder extends AsyncDisposable {
  /** Builds an image from a folder that has a Dockerfile or names one, with a Node image made from this machine. */
  build(image: string, folder: string, dockerfile?: string): Promise<void>
  configOf(image: string): Promise<ImageConfig>
  /** The folder with an image's files, as commands below `enter` see it. */
  mount(image: string): Promise<string>
  /** Where this process finds such a folder. */
  seenFromHere(folder: string): string
  /** The start of a command that sees the folders. */
  readonly enter: readonly [string, ...string[]]
}

/**
 * buildah with a store of its own in memory: on a disk that other tests write to, a build took twice as long. The store
 * is mounted for the builder's processes only, so nothing is left of it once this process has ended, however it ends.
 */
export async function startImageBuilder(): Promise<ImageBuilder> {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-image-'))
  await chmod(folder, 0o755)
  const holder = await holdMemory(folder)
  const enter = ['nsenter', '--target', String(holder.pid), '--mount', '--'] as const
  const inside = async (program: string, ...args: readonly string[]) => {
    const [nsenter, ...rest] = enter
    const env = { ...process.env, TMPDIR: folder }
    const { stdout } = await run(nsenter, [...rest, program, ...args], { env, maxBuffer: OUTPUT_BYTES })
    return stdout.trim()
  }
  const buildah = (...args: readonly string[]) =>
    inside('buildah', '--root', join(folder, 'store'), '--runroot', join(folder, 'run'), ...args)
  const mount = async (image: string) => buildah('mount', await buildah('from', '--pull-never', image))

  const base = await buildah('from', 'scratch')
  const script = fileURLToPath(new URL('debian-node-image.sh', import.meta.url))
  await inside('sh', script, await buildah('mount', base), process.execPath)
  await buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', base)
  await buildah('commit', '--rm', base, BASE)
  const volumes = await npmVolumes()

  return {
    enter,
    mount,
    seenFromHere: (path) => join(`/proc/${holder.pid}/root`, path),
    async build(image, context, dockerfile = join(context, 'Dockerfile')) {
      const options = ['--isolation', 'chroot', '--format', 'docker', '--pull-never', ...volumes]
      const args = ['--build-arg', `NODE_IMAGE=${BASE}`, '--file', dockerfile, '--tag', image, context]
      await buildah('build', ...options, ...args)
    },
    async configOf(image) {
      const { Docker } = JSON.parse(await buildah('inspect', '--type', 'image', image)) as {
        readonly Docker: { readonly config: ImageConfig }
      }
      return Docker.config
    },
    async [Symbol.asyncDispose]() {
      const ended = once(holder, 'exit')
      holder.stdin?.end()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Mounts memory on a folder in a namespace that ends with its one process, which ends with this one. */
async function holdMemory(folder: string): Promise<ChildProcess> {
  const script = 'mount -t tmpfs tmpfs "$1" && echo mounted && exec cat'
  const holder = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  await Promise.race([
    once(holder.stdout, 'data'),
    once(holder, 'exit').then(() => Promise.reject(new Error('no memory could be mounted'))),
  ])
  return holder
}

/** npm as this machine has set it up: its cache, where it asks, and whom it trusts. A mount is no part of the image. */
async function npmVolumes(): Promise<string[]> {
  const read = async (name: string) => (await run('npm', ['config', 'get', name], { cwd: root })).stdout.trim()
  const cache = await read('cache')
  await mkdir(cache, { recursive: true })
  const settings = [
    [await read('userconfig'), '/root/.npmrc'],
    [await read('globalconfig'), '/usr/local/etc/npmrc'],
    [await read('cafile'), await read('cafile')],
  ].filter(([file = '']) => existsSync(file))
  return [`${cache}:/root/.npm`, ...settings.map(([file, place]) => `${file}:${place}:ro`)].flatMap((volume) => [
    '--volume',
    volume,
  ])
}
