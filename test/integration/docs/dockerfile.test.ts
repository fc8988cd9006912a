import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase } from '../../support/database.ts'
import { clientOf } from '../../support/waymark.ts'
import { hasBuildah, type ImageBuilder, type ImageConfig, needsBuildah, startImageBuilder } from './image-builder.ts'
import { childrenOf, initOfNode, launchContainer, runToEnd, servedUrl } from './image-container.ts'
import { codeBlocks, patternOf, readDocument, root } from './markdown.ts'

/** The build installs packages twice and compiles: 60 s on a quiet machine, and four times that on a busy one. */
const BUILD_MS = 600_000
const IMAGE = 'localhost/waymark'

it('is built on a slim Node image, unless a build argument names another', async () => {
  const dockerfile = await readDocument('Dockerfile')
  expect(dockerfile).toMatch(/^ARG NODE_IMAGE=node:24-slim$/m)
  expect(dockerfile.match(/^FROM \S+/gm)).toEqual(Array(2).fill('FROM ${NODE_IMAGE}'))
})

const title = `what buildah makes of the Dockerfile${hasBuildah ? '' : ` (${needsBuildah})`}`
describe.skipIf(!hasBuildah)(title, { timeout: 120_000 }, () => {
  let builder: ImageBuilder
  let config: ImageConfig
  let files: string
  /** The folder that it works in, as this process sees it. */
  let app: string
  beforeAll(async () => {
    builder = await startImageBuilder()
    await builder.build(IMAGE, root)
    config = await builder.configOf(IMAGE)
    files = await builder.mount(IMAGE)
    app = join(builder.seenFromHere(files), config.WorkingDir)
  }, BUILD_MS)
  afterAll(() => builder[Symbol.asyncDispose]())

  const launch = (settings: Record<string, string>, command?: readonly string[]) =>
    launchContainer(builder.enter, files, config, settings, command)

  it('runs as an ordinary user', () => {
    expect(config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })

  it('listens on every address, in production, and leaves the decision about that and the database to whoever runs it', () => {
    expect(config.Env.filter((pair) => !pair.startsWith('PATH='))).toEqual([
      'NODE_ENV=production',
      'HOST=0.0.0.0',
      'PORT=4000',
      'METRICS_HOST=0.0.0.0',
    ])
    expect(config.ExposedPorts).toEqual({ '4000/tcp': {} })
  })

  it('starts the server below an init, without a shell in between, so that SIGTERM reaches it', () => {
    expect(config).toMatchObject({
      Entrypoint: ['/usr/bin/tini', '--'],
      Cmd: ['node', 'dist/main.js', 'serve'],
      StopSignal: 'SIGTERM',
    })
  })

  it('gets no secret, no data and nothing generated for another machine into its context', async () => {
    const wanted = ['package.json', '.npmrc', 'prisma/schema.sql', 'src/database/migrations/migrate.ts']
    const unwanted = ['.env', '.git/config', '.data/password', 'node_modules/pg/package.json', 'dist/main.js']
    const generated = ['src/database/generated/client.ts', 'test/data/twitter-bookmarks.csv']
    const folder = await mkdtemp(join(tmpdir(), 'waymark-context-'))
    try {
      for (const file of [...wanted, ...unwanted, ...generated]) {
        await mkdir(dirname(join(folder, file)), { recursive: true })
        await writeFile(join(folder, file), '')
      }
      await cp(join(root, '.dockerignore'), join(folder, '.dockerignore'))
      await writeFile(join(folder, 'Everything'), 'FROM scratch\nCOPY . /\n')
      await builder.build('localhost/context', folder, join(folder, 'Everything'))
      const context = builder.seenFromHere(await builder.mount('localhost/context'))
      expect((await filesBelow(context)).sort()).toEqual(wanted.sort())
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('has the server with its packages in one folder, and no others: no prisma command, no PostgreSQL', async () => {
    expect((await readdir(app)).sort()).toEqual(['LICENSE', 'dist', 'package.json', 'prisma', 'sbom.cdx.json'])
  })

  it('has nothing of what Prisma brings for other databases', async () => {
    const parts = (await filesBelow(join(app, 'dist'))).filter((name) => name.includes('query_compiler'))
    expect(parts.filter((name) => !name.includes('.postgresql.'))).toEqual([])
    expect(parts).not.toEqual([])
  })

  it('lists each package that is in the bundle, and no tool, as CycloneDX', async () => {
    const text = await readFile(join(app, 'sbom.cdx.json'), 'utf8')
    const { bomFormat, metadata, components } = JSON.parse(text) as Bom
    expect({ bomFormat, ...metadata.component }).toMatchObject({
      bomFormat: 'CycloneDX',
      name: 'waymark',
      type: 'application',
    })
    const listed = components.map(({ name }) => name)
    const bundled = await bundledPackages(join(app, 'dist'))
    expect(bundled).toEqual(expect.arrayContaining(['graphql', 'graphql-yoga', '@prisma/client', 'ws']))
    expect(bundled.filter((name) => !listed.includes(name))).toEqual([])
    for (const tool of ['prisma', 'rolldown', 'typescript', 'vitest']) expect(listed).not.toContain(tool)
  })

  it('has the migrations', async () => {
    expect(await readdir(join(app, 'prisma/migrations'))).toContain('001_original_tables')
    expect(await readdir(join(app, 'prisma/functions'))).toContain('save_checkpoints.sql')
    expect((await readdir(join(app, 'prisma'))).sort()).toEqual(['functions', 'migrations', 'schema.sql', 'takeover'])
  })

  it('refuses to start without AUTHENTICATION, in one line, with exit code 2', async () => {
    const { code, stderr } = await runToEnd(launch({ DATABASE_URL: 'postgresql://localhost/x' }))
    expect(stderr).toMatch(/^waymark: HOST=0\.0\.0\.0 is reachable [^\n]*AUTHENTICATION=keys[^\n]*\n$/)
    expect(code).toBe(2)
  })

  it('refuses to start without DATABASE_URL, in one line that names it, with exit code 2', async () => {
    const { code, stderr } = await runToEnd(launch({ AUTHENTICATION: 'keys' }))
    const quoted = codeBlocks(await readDocument('docs/troubleshooting.md')).find(
      ({ name }) => name === 'not-installed',
    )
    expect(stderr.trimEnd()).toMatch(patternOf(quoted?.text ?? 'not quoted'))
    expect(stderr).toContain('set DATABASE_URL')
    expect(code).toBe(2)
  })

  it('makes a key, migrates, serves whoever has it and passes its own health check until it ends', async () => {
    await using database = await createTestDatabase('empty')
    const settings = { DATABASE_URL: database.url, AUTHENTICATION: 'keys', PORT: '0' }
    const create = ['node', 'dist/main.js', 'key', 'create', 'tester', '--scopes', 'read']
    const { stdout: key } = await runToEnd(launch(settings, create))
    const container = launch(settings)
    try {
      const url = await servedUrl(container)
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key.trim()}` },
        body: JSON.stringify({ query: '{ users { totalCount } viewer { subject } }' }),
      })
      expect(await answer.json()).toEqual({ data: { users: { totalCount: 0 }, viewer: { subject: 'key:tester' } } })
      expect((await clientOf(url).fail('{ users { totalCount } }')).code).toBe('UNAUTHENTICATED')
      const checkHealth = async () => {
        const [kind, ...command] = config.Healthcheck.Test
        expect(kind).toBe('CMD')
        return (await runToEnd(launch({ PORT: new URL(url).port }, command))).code
      }
      expect(await checkHealth()).toBe(0)
      const exited = once(container, 'exit')
      process.kill(await initOfNode(container.pid ?? 0), 'SIGTERM')
      expect(await exited).toEqual([0, null])
      expect(await checkHealth()).toBe(1)
    } finally {
      if (container.exitCode === null) container.kill('SIGKILL')
    }
  })

  it('serves as an ordinary user who can write nowhere, and ends with 0 on a SIGTERM to the init', async () => {
    await using database = await createTestDatabase()
    const container = launch({ DATABASE_URL: database.url, AUTHENTICATION: 'keys', PORT: '0', METRICS_PORT: '0' })
    try {
      const url = await servedUrl(container)
      const [init = 0] = await childrenOf(container.pid ?? 0)
      const [server = 0, ...others] = await childrenOf(init)
      expect(others).toEqual([])
      for (const pid of [init, server])
        expect(await readFile(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\s+1000\s+1000\s+1000\s+1000$/m)
      expect(await readFile(`/proc/${init}/status`, 'utf8')).toMatch(/^NSpid:\s+\d+\s+1$/m)
      expect(await (await fetch(new URL('/ready', url))).json()).toMatchObject({ status: 'ok' })
      expect(await childrenOf(server)).toEqual([])
      const exited = once(container, 'exit')
      process.kill(init, 'SIGTERM')
      expect(await exited).toEqual([0, null])
    } finally {
      if (container.exitCode === null) container.kill('SIGKILL')
    }
  })

  it('ends on a SIGTERM before the server listens for one', async () => {
    await using database = await createTestDatabase()
    const container = launch({ DATABASE_URL: database.url, AUTHENTICATION: 'keys', PORT: '0' })
    try {
      const exited = once(container, 'exit')
      process.kill(await initOfNode(container.pid ?? 0), 'SIGTERM')
      expect(await exited).toEqual([128 + 15, null])
    } finally {
      if (container.exitCode === null) container.kill('SIGKILL')
    }
  })
})

interface Bom {
  readonly bomFormat: string
  readonly metadata: { readonly component: object }
  readonly components: readonly { readonly name: string; readonly version: string }[]
}

/** The packages whose files went into a bundle, as its source maps tell. */
async function bundledPackages(folder: string): Promise<string[]> {
  const maps = (await filesBelow(folder)).filter((file) => file.endsWith('.map'))
  const names = new Set<string>()
  for (const file of maps) {
    const { sources } = JSON.parse(await readFile(join(folder, file), 'utf8')) as { sources: string[] }
    for (const source of sources) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1]
      if (name) names.add(name)
    }
  }
  return [...names]
}

async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  const kinds = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).isFile()))
  return names.filter((_, index) => kinds[index])
}
