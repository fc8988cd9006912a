import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { parse, validate } from 'graphql'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findFreePort } from '../../support/free-port.ts'
import { verifySchema } from '../../../src/database/migrations/verify.ts'
import { schema } from '../../../src/api/schema.ts'
import { type Checkout, copyCheckout } from '../../support/checkout.ts'
import { createTestDatabase } from '../../support/database.ts'
import { blocksNamed, type CodeBlock, codeBlocks, readDocument } from './markdown.ts'
import { filesEndingIn } from './prose.ts'

// npm, servers and compilers start: seconds each on a slow machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

interface PageBlock extends CodeBlock {
  readonly page: string
}

const pages = await filesEndingIn('.md')
const blocks: PageBlock[] = []
for (const page of pages) {
  for (const block of codeBlocks(await readDocument(page))) blocks.push({ page, ...block })
}
const commands = blocks.filter(({ language }) => ['sh', 'bash', 'shell', 'console'].includes(language))

/** Named blocks that need a database of their own, or PostgreSQL's programs: the file that runs each, by its name. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/database.md backup-whole': 'test/integration/database/backup.test.ts',
  'docs/database.md restore-whole': 'test/integration/database/backup.test.ts',
  'docs/database.md backup': 'test/integration/database/backup.test.ts',
  'docs/database.md restore': 'test/integration/database/backup.test.ts',
  'docs/operations.md transfer': 'test/integration/cli/transfer.test.ts',
  'examples/README.md python': 'test/clients/python-programs.test.ts',
}
/** What a page says to start first, so to speak: README's server runs while the others are read. */
const ORDER = ['README.md', 'docs/access.md', 'docs/feeds.md', 'docs/database.md', 'examples/README.md']

const run = commands.filter(({ page, name, skip }) => skip === undefined && !(`${page} ${name}` in ELSEWHERE))
const hasPsql = spawnSync('psql', ['--version']).status === 0
const inOrder = ORDER.flatMap((page) => run.filter((block) => block.page === page))

describe('every command block of every page', () => {
  it('is run here or elsewhere, or says in its first line why no test runs it', async () => {
    expect(commands.length).toBeGreaterThan(8)
    // As many as a reader finds, also where the first line is not read as meant.
    const fences = await Promise.all(
      pages.map(async (page) => (await readDocument(page)).match(/^```(sh|bash|shell|console)\b/gm)),
    )
    expect(commands.length).toBe(fences.flat().filter(Boolean).length)
    expect(inOrder.length).toBe(run.length)
    for (const [block, file] of Object.entries(ELSEWHERE)) {
      const name = block.split(' ').at(-1) ?? ''
      expect(commands.map(({ page, name }) => `${page} ${name}`)).toContain(block)
      expect(await readDocument(file), block).toContain(`'${name}'`)
    }
  })

  it('is skipped for a reason', () => {
    for (const { skip } of commands) if (skip !== undefined) expect(skip).toMatch(/^[A-Z].+\.$/)
  })
})

describe('a reader who runs each as it stands', () => {
  let checkout: Checkout
  /** The ports that the pages name, and free ones for them. */
  const ports = new Map<string, number>()
  const staying: ChildProcess[] = []
  beforeAll(async () => {
    checkout = await copyCheckout()
    for (const port of ['4000', '4010']) ports.set(port, await findFreePort())
  })
  afterAll(async () => {
    for (const child of staying.toReversed()) {
      const exited = once(child, 'exit')
      if (child.exitCode === null && child.signalCode === null) {
        process.kill(-(child.pid ?? 0), 'SIGTERM')
        await exited
      }
    }
    await checkout[Symbol.asyncDispose]()
  })

  const environment = (env: Record<string, string> = {}) => ({
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    PORT: String(ports.get('4000')),
    // The examples ask there by default.
    WAYMARK_URL: `http://127.0.0.1:${ports.get('4000') ?? ''}/graphql`,
    ...env,
  })
  /** As it stands, but for the ports: others use those of this machine. */
  const withPorts = (text: string) => text.replaceAll(/\b4000\b|\b4010\b/g, (port) => String(ports.get(port)))

  async function runToEnd(text: string, env?: Record<string, string>): Promise<string> {
    const options = { cwd: checkout.folder, env: environment(env), timeout: 200_000 }
    const { stdout } = await promisify(execFile)('sh', ['-ec', withPorts(text)], options)
    return stdout
  }

  /** Starts what goes on until it is stopped, and waits until it says that it is there. */
  async function start(text: string): Promise<void> {
    const child = spawn('sh', ['-ec', withPorts(text)], {
      cwd: checkout.folder,
      env: environment(),
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    staying.push(child)
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk
        if (/http:\/\/127\.0\.0\.1:\d+/.test(said)) resolve()
      })
      child.once('exit', (code) => reject(new Error(`"${text}" ended with ${code ?? 'a signal'}: ${said}`)))
    })
  }

  /** What the words around a block say that it prints. */
  const expected: Readonly<Record<string, RegExp>> = {
    'README.md curl': /^\{"data":\{"checkpoint":\{"lastItemId":"2107108321689016154"\}\}\}$/,
    'docs/access.md': /wm_\w+_\w+\n[\s\S]*crawler-1[\s\S]*revoked: /,
    'docs/feeds.md reset': /^The feeds have a new generation: /,
    'examples/README.md': /"RegisterUserSuccess"/,
  }

  /** Blocks of docs/database.md, each on a database of its own. */
  const onDatabase: Readonly<Record<string, (text: string) => Promise<void>>> = {
    async ''(text) {
      await using database = await createTestDatabase('empty')
      expect(await runToEnd(text, { DATABASE_URL: database.url })).toMatch(
        /^applied 001_original_tables\n[\s\S]*the schema is as it should be\n/,
      )
    },
    async repair(text) {
      await using database = await createTestDatabase()
      await database.query('DROP FUNCTION crawler.heartbeat')
      await runToEnd(text, { DATABASE_URL: database.url })
      expect((await verifySchema({ databaseUrl: database.url })).differences).toEqual([])
    },
    /** The functions and then the last migration first, as the page says, until its own. */
    async rollback(text) {
      await using database = await createTestDatabase()
      const [functions = ''] = blocksNamed(await readDocument('docs/database.md'), 'sql', 'rollback-functions')
      await database.query(functions)
      const [, own = ''] = /^migration=prisma\/migrations\/(\w+)\//.exec(text) ?? []
      const applied = await database.query<{ name: string }>(
        'SELECT name FROM crawler.schema_migration ORDER BY name DESC',
      )
      for (const { name } of applied.filter((migration) => migration.name >= own)) {
        await runToEnd(text.replace(own, name), { DATABASE_URL: database.url })
      }
      const left = await database.query<{ name: string }>('SELECT name FROM crawler.schema_migration')
      expect(left.every(({ name }) => name < own)).toBe(true)
    },
  }

  it.for(inOrder.map((block, place) => ({ ...block, place })))(
    '$page, block $place: $text',
    async ({ page, name, text }, context) => {
      if (page === 'docs/database.md') {
        if (name === 'rollback' && !hasPsql) context.skip('there is no psql')
        await onDatabase[name]?.(text)
      } else if (name === 'stays') {
        await start(text)
        // As README says between the two.
        if (page === 'README.md') expect(await runToEnd('npm run seed')).toContain('seeded: ')
      } else {
        expect(await runToEnd(text)).toMatch(expected[`${page} ${name}`.trim()] ?? /./)
      }
    },
  )
})

describe('every GraphQL block of every page', () => {
  const operations = blocks.filter(({ language }) => language === 'graphql')

  it.each(operations.map((block, place) => ({ ...block, place })))(
    'is an operation of this API: $page, block $place ($name)',
    ({ text }) => {
      expect(validate(schema, parse(text))).toEqual([])
    },
  )
})
