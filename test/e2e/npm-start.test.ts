import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Checkout, copyCheckout } from '../support/checkout.ts'
import { createTestDatabase } from '../support/database.ts'
import { clientOf, mutate } from '../support/waymark.ts'

// npm, a server and a PostgreSQL start and end: seconds each on a slow machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const patience = { timeout: 30_000 }

let checkout: Checkout
beforeAll(async () => {
  checkout = await copyCheckout()
})
afterEach(async () => {
  const left = await processesOf(checkout.folder)
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  expect(left).toEqual([])
})
afterAll(() => checkout[Symbol.asyncDispose]())

interface Npm {
  readonly child: ChildProcess
  readonly pid: number
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>
  /** Resolves with the server's URL; rejects if npm ends before. */
  readonly url: Promise<string>
}

/** Starts npm as the leader of a process group, in the checkout, with nothing of this process' own npm in its environment. */
function npm(args: readonly string[], env: Record<string, string> = {}, cwd = checkout.folder): Npm {
  const child = spawn('npm', [...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', PORT: '0', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const url = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      stdout += `${line}\n`
      const served = /Waymark serves (http:\S+)/.exec(line)?.[1]
      if (served) resolve(served)
    })
    child.once('close', () => reject(new Error(`npm ended: ${stdout} ${stderr}`)))
  })
  url.catch(() => undefined)
  const exited = once(child, 'exit').then(async ([code, signal]) => {
    // Who was killed leaves its pipes to the server, which may end later.
    await Promise.race([child.stdout.closed || once(child, 'close'), delay(1_000)])
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr }
  })
  return { child, pid: child.pid ?? 0, exited, url }
}

const nothingIsLeft = () => expect.poll(() => processesOf(checkout.folder), patience).toEqual([])

describe('npm start', () => {
  let users = 0

  /** Starts, saves a user, finds those of the rounds before. */
  async function startAndUse(args: readonly string[] = ['start']): Promise<Npm> {
    const started = npm(args)
    const client = clientOf(await started.url)
    await mutate(client, 'registerUser', { userId: `user-${users}` })
    users += 1
    expect(await client.ask('{ users { totalCount } }')).toEqual({ users: { totalCount: users } })
    return started
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends with the server and its PostgreSQL on %s to npm alone, with exit code 0',
    async (signal) => {
      const started = await startAndUse()
      process.kill(started.pid, signal)
      expect(await started.exited).toMatchObject({ code: 0, signal: null })
      expect(await processesOf(checkout.folder)).toEqual([])
    },
  )

  it.each(['SIGHUP', 'SIGQUIT', 'SIGKILL'] as const)(
    'leaves neither server nor PostgreSQL behind on %s to npm alone, which does not pass it on',
    async (signal) => {
      const started = await startAndUse()
      process.kill(started.pid, signal)
      expect(await started.exited).toMatchObject({ code: null, signal })
      await nothingIsLeft()
      expect(await readdir(join(checkout.folder, '.data/postgres'))).not.toContain('postmaster.pid')
    },
  )

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends in order on %s to the whole group, as a terminal sends it: it comes twice, once from npm',
    async (signal) => {
      const started = await startAndUse()
      process.kill(-started.pid, signal)
      const { code, stdout } = await started.exited
      expect(code).toBe(0)
      expect(stdout.trimEnd().split('\n').at(-1)).toContain('"msg":"stopped"')
      expect(await processesOf(checkout.folder)).toEqual([])
    },
  )

  it('ends in order on SIGHUP to the whole group, as from a terminal that is closed', async () => {
    const started = await startAndUse()
    process.kill(-started.pid, 'SIGHUP')
    await started.exited
    await nothingIsLeft()
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'below a shell that npm started and that stays, as with npx, ends on %s to npm',
    async (signal) => {
      const started = await startAndUse(['exec', '-c', 'node dist/main.js serve; true'])
      process.kill(started.pid, signal)
      await started.exited
      await nothingIsLeft()
    },
  )
})

describe('npm start that is ended while it starts', () => {
  it('leaves nothing behind, whenever the SIGTERM comes, and nothing in the way of the next', async () => {
    await rm(join(checkout.folder, '.data'), { recursive: true, force: true })
    for (const afterMs of [300, 600, 900, 1_200, 1_600, 2_000]) {
      const started = npm(['start'])
      await delay(afterMs)
      process.kill(started.pid, 'SIGTERM')
      await started.exited
      await nothingIsLeft()
    }
    const started = npm(['start'])
    expect(await clientOf(await started.url).ask('{ users { totalCount } }')).toEqual({ users: { totalCount: 0 } })
    process.kill(started.pid, 'SIGTERM')
    expect(await started.exited).toMatchObject({ code: 0 })
  })

  // Between npm's fork and its next line, a SIGTERM ends npm alone. Nothing else can tell the server so.
  it('ends if npm is gone before it looks who started it', async () => {
    const script = '(sleep 0.2; exec node scripts/start.mjs serve) & exit 0'
    const env = { PATH: process.env['PATH'] ?? '', PORT: '0', npm_lifecycle_event: 'start' }
    const shell = spawn('sh', ['-c', script], {
      cwd: checkout.folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [output] = await Promise.all([text(shell.stdout), once(shell, 'exit')])
    expect(output).toContain('npm, which started this server, is gone')
    expect(await processesOf(checkout.folder)).toEqual([])
  })
})

describe('npm start in a fresh clone', () => {
  let clone: string
  let diary: string
  /** As a clone is, but that its npm ci writes when it begins and ends, and takes `seconds`. */
  async function makeClone(seconds: number): Promise<void> {
    clone = join(checkout.folder, 'clone')
    diary = join(clone, 'diary.txt')
    await rm(clone, { recursive: true, force: true })
    for (const name of ['package.json', 'package-lock.json', 'scripts']) {
      await cp(join(checkout.folder, name), join(clone, name), { recursive: true })
    }
    await mkdir(join(clone, 'node_modules/.bin'), { recursive: true })
    const program = `#!/bin/sh\necho begin >> ${diary}\nsleep ${seconds}\necho end >> ${diary}\nexit 1\n`
    await writeFile(join(clone, 'node_modules/.bin/npm'), program, { mode: 0o755 })
  }
  const readDiary = () => readFile(diary, 'utf8').catch(() => '')
  const begun = (times: number) =>
    expect.poll(async () => (await readDiary()).match(/begin/g)?.length, patience).toBe(times)

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'ends with the installation that it began on %s to npm alone, and tells by its own end',
    async (signal) => {
      await makeClone(600)
      const started = npm(['start'], {}, clone)
      await begun(1)
      process.kill(started.pid, signal)
      expect(await started.exited).toMatchObject({ code: null, signal })
      await nothingIsLeft()
      expect(await readDiary()).toBe('begin\n')
    },
  )

  it('waits for an installation that a kill -9 left to itself, instead of beginning another one beside it', async () => {
    await makeClone(3)
    const first = npm(['start'], {}, clone)
    await begun(1)
    const script = (await processesOf(clone)).find(({ command }) => command === 'node scripts/start.mjs')
    process.kill(script?.pid ?? 0, 'SIGKILL')
    await first.exited
    const second = npm(['start'], {}, clone)
    await begun(2)
    expect(await readDiary()).toBe('begin\nend\nbegin\n')
    expect(await second.exited).toMatchObject({ code: 1, stderr: expect.stringContaining('waiting') as string })
  })
})

describe('npm start -- <command>', () => {
  /** What npm and the command say; npm's own lines on stdout ("> waymark@...") begin with ">". */
  async function command(args: readonly string[], env: Record<string, string> = {}) {
    const { code, stdout, stderr } = await npm(['start', '--', ...args], env).exited
    return { code, stdout: stdout.replaceAll(/^(>.*)?\n/gm, ''), stderr }
  }

  it('runs each command of the usage', async () => {
    await using database = await createTestDatabase('empty')
    const env = { DATABASE_URL: database.url }
    expect(await command(['migrate'], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^applied 001/) as string,
    })
    expect(await command(['verify'], env)).toMatchObject({ code: 0 })
    expect(await command(['seed'], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^seeded: /) as string,
    })
    expect(await command(['feed', 'reset'], env)).toMatchObject({ code: 0 })
    const create = [
      'key',
      'create',
      'crawler-1',
      '--scopes',
      'read,crawl',
      '--user',
      'alice',
      '--user',
      'bob',
      '--days',
      '90',
    ]
    const { stdout: key } = await command(create, env)
    expect(key).toMatch(/^wm_\w+_\w+\n$/)
    const [, keyId = ''] = key.split('_')
    expect((await command(['key', 'list'], env)).stdout).toMatch(
      new RegExp(`^${keyId}  crawler-1  read,crawl  users "alice", "bob"  made \\S+, expires \\S+\n$`),
    )
    expect(await command(['key', 'revoke', keyId], env)).toMatchObject({ code: 0 })
    const { stdout: sdl } = await command(['print-schema'])
    expect(sdl).toContain('type Query {')
  })

  it('prints the usage: on stdout for --help and after a command, on stderr with exit code 2 for what it does not know', async () => {
    for (const args of [['--help'], ['help'], ['-h'], ['key', '--help']]) {
      expect(await command(args)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usage: waymark/) as string })
    }
    for (const args of [['nothing'], ['seed', 'twice'], ['serve', '--port=1']]) {
      expect(await command(args)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^usage: waymark/) as string,
      })
    }
  })

  it('says what key create lacks before it starts a database', async () => {
    const { code, stderr } = await command(['key', 'create', 'crawler-1'], {
      DATA_DIR: join(checkout.folder, 'unused'),
    })
    expect({ code, stderr: stderr.split('\n', 1) }).toEqual({ code: 2, stderr: [expect.stringContaining('--scopes')] })
    expect(await readdir(checkout.folder)).not.toContain('unused')
  })
})

describe('a command on the embedded database', () => {
  it('ends the PostgreSQL that it started on SIGTERM', async () => {
    await rm(join(checkout.folder, '.data'), { recursive: true, force: true })
    const started = npm(['run', 'seed'])
    const hasPostgres = async () => (await processesOf(checkout.folder)).some(({ command }) => / -D /.test(command))
    await expect.poll(hasPostgres, { ...patience, interval: 10 }).toBe(true)
    process.kill(started.pid, 'SIGTERM')
    expect(await started.exited).toMatchObject({ code: 143 })
    await nothingIsLeft()
  })
})

interface Found {
  readonly pid: number
  readonly command: string
}

/** Processes that work in a folder or name it. Zombies and where there is no /proc: none. */
async function processesOf(folder: string): Promise<Found[]> {
  const found: Found[] = []
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (cwd.startsWith(folder) || command.includes(folder)) {
      found.push({ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() })
    }
  }
  return found
}
