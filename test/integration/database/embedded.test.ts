import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  chown,
  cp,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { findPackage } from '../../../src/database/embedded/binaries.ts'
import { startEmbedded, type EmbeddedDatabase, type EmbeddedOptions } from '../../../src/database/embedded/embedded.ts'
import { StartupError } from '../../../src/errors/startup-error.ts'
import { buildOwner, forkOwner, killNow, reportOf, type Report } from '../../support/embedded-owner.ts'
import { withClient } from '../../support/database.ts'

// Real servers are made, killed and recovered: 1 to 4 s a test on two quiet cores, five times that on two busy ones.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const isRoot = process.getuid?.() === 0
/** An ordinary user that every system has. */
const nobody = { uid: 65_534, gid: 65_534 }
const silent = { info: () => undefined, warn: () => undefined, debug: () => undefined }

let root: string
let systemDir: string
let owner: string
/** The platform package as npm unpacks it, without symlinks; only copied from. */
let unpacked: string
let packageDir: string
/** A cluster that is stopped, with the table t of one row. */
let stopped: string
const running = new Set<EmbeddedDatabase>()
const children = new Set<ChildProcess>()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'waymark-embedded-'))
  await chmod(root, 0o755)
  systemDir = join(root, 'system')
  owner = await buildOwner(join(root, 'program'))
  unpacked = join(root, 'unpacked')
  await unpackPackage(unpacked)
  packageDir = await copyPackage(root)
  stopped = await newFolder()
  const database = await start(stopped)
  await query(database.url, 'CREATE TABLE t AS SELECT 1 AS n')
  await database.stop()
})

afterEach(async () => {
  for (const child of children) await killNow(child)
  for (const database of running) await database.stop()
  children.clear()
  running.clear()
  // An initdb whose server was killed ends by itself; a PostgreSQL would not.
  await eventually(async () => expect((await processesBelow(root)).filter(isInitdb)).toEqual([]))
  const left = await processesBelow(root)
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  expect(left).toEqual([])
})

afterAll(() => rm(root, { recursive: true, force: true }))

describe('a first start', () => {
  it('makes a durable database that is the same on every machine and listens on loopback only', async () => {
    const database = await start(join(root, `it's "new" $(x) ü`))
    const settings = await query(
      database.url,
      `SELECT current_database() AS name, current_setting('server_version_num')::int / 10000 AS major,
              current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
              current_setting('server_encoding') AS encoding, current_setting('timezone') AS timezone,
              current_setting('listen_addresses') AS listen, current_setting('unix_socket_directories') AS sockets,
              current_setting('max_connections')::int AS connections, datlocprovider AS provider, datlocale AS locale
         FROM pg_database WHERE datname = current_database()`,
    )
    expect(settings).toEqual([
      {
        name: 'waymark',
        major: 18,
        fsync: 'on',
        synchronous_commit: 'on',
        encoding: 'UTF8',
        timezone: 'UTC',
        listen: '127.0.0.1',
        sockets: '',
        connections: 200,
        provider: 'b',
        locale: 'C.UTF-8',
      },
    ])
    expect(database).toMatchObject({ adopted: false, notes: [] })
  })

  it('keeps others out: a random password in a file of mode 0600, and no connection without it', async () => {
    const database = await startCopy()
    const passwordFile = join(database.dataDir, 'password')
    expect((await stat(passwordFile)).mode & 0o777).toBe(0o600)
    expect((await stat(join(database.dataDir, 'postgres'))).mode & 0o777).toBe(0o700)
    const wrong = new URL(database.url)
    wrong.password = 'wrong'
    await expect(query(wrong.toString(), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  })

  it('lets one of two servers that start at once on an empty folder win, and tells the other', async () => {
    const dataDir = await newFolder()
    const reports = await Promise.all([1, 2].map(() => reportOf(startChild({ dataDir }))))
    expect(reports.filter((report) => report.url)).toHaveLength(1)
    expect(reports.find((report) => report.failure)).toMatchObject({
      failureName: 'StartupError',
      failure: expect.stringMatching(/is in use by another Waymark \(process \d+\)/) as string,
    })
    expect((await readdir(dataDir)).sort()).toEqual(['password', 'postgres', 'postgres.log'])
    await stopChildren()
  })

  it('leaves nothing in the way of the next when it is killed at any moment', async () => {
    const dataDir = await newFolder()
    for (const afterMs of [150, 400, 800, 1_300]) {
      const child = startChild({ dataDir })
      await delay(afterMs)
      await killNow(child)
    }
    const database = await start(dataDir)
    expect(await query(database.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
    await database.stop()
    await eventually(async () => expect(await processesBelow(dataDir)).toEqual([]))
    await (await start(dataDir)).stop()
    expect((await readdir(dataDir)).filter((name) => name.startsWith('.initdb'))).toEqual([])
  })
})

describe('stopping', () => {
  it('ends PostgreSQL, keeps the rows for the next start, and may be called again', async () => {
    const database = await startCopy()
    await query(database.url, 'INSERT INTO t VALUES (2)')
    await Promise.all([database.stop(), database.stop()])
    await expect(query(database.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await processesBelow(database.dataDir)).toEqual([])
    const again = await start(database.dataDir)
    expect(await query(again.url, 'SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('does not wait for clients that hold transactions open', async () => {
    const database = await startCopy()
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE t')
      await database.stop()
    })
    expect(await processesBelow(database.dataDir)).toEqual([])
  })

  it('leaves no PostgreSQL behind when it comes while one that was killed is being brought up again', async () => {
    const database = await startCopy()
    process.kill(await postmasterPid(database.dataDir), 'SIGKILL')
    await eventually(() => expect(query(database.url, 'SELECT 1')).rejects.toThrow())
    await database.stop()
    const servers = await processesBelow(database.dataDir)
    expect(servers.filter(({ command }) => command.includes(' -D '))).toEqual([])
    // Children of the one that was killed notice it by themselves.
    await eventually(async () => expect(await processesBelow(database.dataDir)).toEqual([]))
  })

  it('lets a server start that begins while the one before is still stopping', async () => {
    const dataDir = await copyOfStopped()
    for (let round = 1; round <= 4; round += 1) {
      const before = await start(dataDir)
      const stopping = before.stop()
      await delay(round * 15)
      const after = await start(dataDir)
      await stopping
      expect(await query(after.url, 'SELECT n FROM t')).toEqual([{ n: 1 }])
      await after.stop()
    }
  })
})

describe('after a kill -9', () => {
  it('takes over the PostgreSQL that a killed server left running', async () => {
    const dataDir = await copyOfStopped()
    const child = startChild({ dataDir })
    const { url } = await reportOf(child)
    await query(String(url), 'INSERT INTO t VALUES (2)')
    const pid = await postmasterPid(dataDir)
    await killNow(child)
    const database = await start(dataDir)
    expect(database).toMatchObject({ adopted: true, url })
    expect(database.notes.join()).toContain('took over')
    expect(await postmasterPid(dataDir)).toBe(pid)
    expect(await query(database.url, 'SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
    await database.stop()
    expect(await processesBelow(dataDir)).toEqual([])
  })

  it('starts again at the same URL when server and PostgreSQL were both killed, with every row', async () => {
    const dataDir = await copyOfStopped()
    const child = startChild({ dataDir })
    const { url } = await reportOf(child)
    await query(String(url), 'INSERT INTO t VALUES (2)')
    await killNow(child)
    process.kill(await postmasterPid(dataDir), 'SIGKILL')
    const database = await start(dataDir)
    expect(database).toMatchObject({ adopted: false, url })
    expect(await query(database.url, 'SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
  })

  it('brings a killed PostgreSQL up again on the same URL, with every row, and owns it again', async () => {
    const database = await startCopy()
    await query(database.url, 'INSERT INTO t VALUES (2)')
    for (let kills = 1; kills <= 3; kills += 1) {
      process.kill(await postmasterPid(database.dataDir), 'SIGKILL')
      await eventually(async () => {
        expect(await query(database.url, 'SELECT n FROM t ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
        expect(await lockHolders(database.url)).toHaveLength(1)
      })
    }
  })

  it('takes the lock again when only its connection was ended', async () => {
    const database = await startCopy()
    const pid = await postmasterPid(database.dataDir)
    const [before] = await lockHolders(database.url)
    await query(database.url, `SELECT pg_terminate_backend(${before})`)
    await eventually(async () => {
      const holders = await lockHolders(database.url)
      expect(holders).toHaveLength(1)
      expect(holders).not.toContain(before)
    })
    expect(await postmasterPid(database.dataDir)).toBe(pid)
  })

  it.runIf(process.platform === 'linux')('PostgreSQL is out of reach of a Ctrl-C meant for the server', async () => {
    const database = await startCopy()
    const sessionOf = async (pid: number) => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[3]
    expect(await sessionOf(await postmasterPid(database.dataDir))).not.toBe(await sessionOf(process.pid))
  })

  it('starts over a pid file whose process id belongs to another process of the same user now', async () => {
    const dataDir = await copyOfStopped()
    const { uid, gid } = await stat(join(dataDir, 'postgres'))
    const other = spawn('sleep', ['600'], { cwd: '/', uid, gid, stdio: 'ignore' })
    try {
      await writePidFile(dataDir, `${other.pid}\n${join(dataDir, 'postgres')}\n1700000000\n23456\n\n127.0.0.1\n`)
      const database = await start(dataDir)
      expect(database.adopted).toBe(false)
      expect(await query(database.url, 'SELECT n FROM t')).toEqual([{ n: 1 }])
      expect(other.exitCode ?? other.signalCode).toBeNull()
      await database.stop()
    } finally {
      other.kill('SIGKILL')
      await once(other, 'exit')
    }
  })

  it('starts over an empty pid file, as a power cut leaves it', async () => {
    const dataDir = await copyOfStopped()
    await writePidFile(dataDir, '')
    const database = await start(dataDir)
    expect(await query(database.url, 'SELECT n FROM t')).toEqual([{ n: 1 }])
  })
})

describe('a start that can not be', () => {
  it('names the process that owns the folder, and leaves that one alone', async () => {
    const database = await startCopy()
    const pid = await postmasterPid(database.dataDir)
    await expectStartupError(start(database.dataDir), `is in use by another Waymark (process ${process.pid})`)
    expect(await postmasterPid(database.dataDir)).toBe(pid)
    expect(await query(database.url, 'SELECT n FROM t')).toEqual([{ n: 1 }])
  })

  it('gives the commands to dump and restore data of another major version, in one line', async () => {
    const dataDir = await copyOfStopped()
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '15\n')
    await expectStartupError(
      start(dataDir),
      'PostgreSQL 15',
      `mv '${dataDir}' '${dataDir}-15'`,
      'pg_dump',
      'pg_restore',
    )
  })

  it('does not touch the data directory of another PostgreSQL', async () => {
    const dataDir = await newFolder()
    await writeFile(join(dataDir, 'PG_VERSION'), '15\n')
    await expectStartupError(start(dataDir), 'data directory of a PostgreSQL 15', 'pg_dump', 'pg_restore')
    expect(await readdir(dataDir)).toEqual(['PG_VERSION'])
  })

  it('says that DATA_DIR is a file, or below one', async () => {
    const file = join(root, 'file')
    await writeFile(file, '')
    await expectStartupError(start(file), `DATA_DIR ${file} is not a folder`)
    await expectStartupError(start(join(file, 'data')), `DATA_DIR ${join(file, 'data')} is not a folder`)
  })

  it('says how to go on without the password, and with a wrong one', async () => {
    const dataDir = await copyOfStopped()
    await writeFile(join(dataDir, 'password'), 'wrong')
    await expectStartupError(start(dataDir), 'refuses the password', join(dataDir, 'password'))
    expect(await processesBelow(dataDir)).toEqual([])
    await unlink(join(dataDir, 'password'))
    await expectStartupError(start(dataDir), 'password is missing', 'ALTER ROLE postgres PASSWORD')
  })

  it('repeats what PostgreSQL itself says when it ends, and names its log', async () => {
    const dataDir = await copyOfStopped()
    await unlink(join(dataDir, 'postgres', 'global', 'pg_control'))
    await expectStartupError(start(dataDir), 'did not start: ', 'pg_control', join(dataDir, 'postgres.log'))
  })

  it.runIf(isRoot)('says which folder keeps the postgres user from DATA_DIR', async () => {
    const closed = await newFolder(0o700)
    await expectStartupError(start(join(closed, 'data')), "can't be reached by postgres", `chmod o+x ${closed}`)
  })

  it.runIf(isRoot)('says that an ordinary user may not write to DATA_DIR, or that it is somebody else’s', async () => {
    const notWritable = await newFolder()
    const asNobody = async (dataDir: string): Promise<Report> => reportOf(startChild({ dataDir }, nobody))
    expect(await asNobody(notWritable)).toMatchObject({
      failureName: 'StartupError',
      failure: expect.stringContaining(`DATA_DIR ${notWritable} does not let the user that runs Waymark in`) as string,
    })
    const roots = await copyOfStopped()
    expect(await asNobody(roots)).toMatchObject({
      failureName: 'StartupError',
      failure: expect.stringContaining(`DATA_DIR ${roots} does not let the user that runs Waymark in`) as string,
    })
  })
})

describe('the binaries', () => {
  it('get the symlinks that npm does not unpack, where they can be made', async () => {
    const own = await copyPackage(await newFolder())
    const dataDir = await copyOfStopped()
    const database = await start(dataDir, { packageDir: own })
    expect(await readlink(join(own, 'native', 'lib', 'libpq.so.5'))).toMatch(/^libpq\.so\.5\./)
    await database.stop()
  })

  it.runIf(isRoot)('are copied beside the data for an ordinary user who can not write to the package', async () => {
    const dataDir = await newFolder()
    await chown(dataDir, nobody.uid, nobody.gid)
    const unlinked = await copyPackage(await newFolder())
    // Two at once: both copy.
    const both = [1, 2].map(() => startChild({ dataDir, packageDir: unlinked }, nobody))
    const reports = await Promise.all(both.map((child) => reportOf(child)))
    const [ready] = reports.filter((report) => report.url)
    expect(reports.filter((report) => report.failure?.includes('in use by another Waymark'))).toHaveLength(1)
    expect(await query(String(ready?.url), 'SELECT 1 AS n')).toEqual([{ n: 1 }])
    const copies = (await readdir(dataDir)).filter((name) => name.startsWith('postgresql-'))
    expect(copies).toEqual([expect.stringMatching(/^postgresql-18\.[0-9a-z.-]+$/)])
    await stopChildren()
  })

  it.runIf(isRoot)(
    'and the data are in a place of the system where the postgres user can not reach the checkout',
    async () => {
      const checkout = await newFolder(0o700)
      const closedPackage = await copyPackage(checkout)
      const own = join(root, 'system-of-its-own')
      const options = { workingDir: checkout, packageDir: closedPackage, systemDir: own }
      const database = await start(undefined, options)
      expect(database.dataDir).toBe(own)
      expect(database.notes.join()).toContain(
        `data are in ${own}, because the user postgres can't reach ${checkout}/.data`,
      )
      expect(await query(database.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
      await database.stop()
    },
  )

  it.runIf(isRoot)('run as whoever owns the data already, so that a start by root spoils nothing', async () => {
    const dataDir = await newFolder()
    await chown(dataDir, nobody.uid, nobody.gid)
    expect(await reportOf(startChild({ dataDir }, nobody))).toMatchObject({ adopted: false })
    await stopChildren()
    await (await start(dataDir)).stop()
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe(nobody.uid)
    expect(await reportOf(startChild({ dataDir }, nobody))).toMatchObject({ adopted: false })
    await stopChildren()
  })
})

it('bounds the log of PostgreSQL at each start', async () => {
  const dataDir = await copyOfStopped()
  await writeFile(join(dataDir, 'postgres.log'), Buffer.alloc(10_000_001))
  await start(dataDir)
  expect((await stat(join(dataDir, 'postgres.log'))).size).toBeLessThan(10_000)
  expect((await stat(join(dataDir, 'postgres.log.1'))).size).toBe(10_000_001)
})

async function start(dataDir: string | undefined, options: Partial<EmbeddedOptions> = {}): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ dataDir, systemDir, log: silent, ...options })
  running.add(database)
  return database
}

const startCopy = async () => start(await copyOfStopped())

function startChild(options: Record<string, unknown>, user?: typeof nobody): ChildProcess {
  const child = forkOwner(owner, { systemDir, packageDir, ...options }, user)
  children.add(child)
  return child
}

async function stopChildren(): Promise<void> {
  for (const child of children) {
    if (!child.connected || child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    // One that could not start is on its way out, and may hear nothing any more.
    child.send('stop', () => undefined)
    await ended
  }
}

async function newFolder(mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(root, 'data-'))
  await chmod(folder, mode)
  return folder
}

/** A data directory as a server left it that was stopped in order: quicker than initdb. */
async function copyOfStopped(): Promise<string> {
  const folder = await newFolder()
  await promisify(execFile)('cp', ['-a', `${stopped}/.`, folder])
  return folder
}

async function unpackPackage(folder: string): Promise<void> {
  const withLinks = findPackage()
  const list = await readFile(join(withLinks, 'native', 'pg-symlinks.json'), 'utf8')
  const links = new Set((JSON.parse(list) as { target: string }[]).map(({ target }) => join(withLinks, target)))
  await cp(withLinks, folder, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !links.has(path) && !path.endsWith('.a'),
  })
}

/** As hard links: the package is 60 MB. */
async function copyPackage(folder: string): Promise<string> {
  const copy = join(folder, 'package')
  await promisify(execFile)('cp', ['-al', unpacked, copy])
  return copy
}

async function query(url: string, sql: string): Promise<unknown[]> {
  return withClient(url, async (client) => (await client.query<pg.QueryResultRow>(sql)).rows)
}

async function lockHolders(url: string): Promise<number[]> {
  const rows = await query(url, `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted`)
  return (rows as { pid: number }[]).map(({ pid }) => pid)
}

async function postmasterPid(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

/** As PostgreSQL would have left it an hour ago. */
async function writePidFile(dataDir: string, text: string): Promise<void> {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  const { uid, gid } = await stat(join(dataDir, 'postgres'))
  await writeFile(file, text, { mode: 0o600 })
  if (isRoot) await chown(file, uid, gid)
  const anHourAgo = new Date(Date.now() - 3_600_000)
  await utimes(file, anHourAgo, anHourAgo)
}

async function expectStartupError(starting: Promise<unknown>, ...texts: string[]): Promise<void> {
  const error: unknown = await starting.then(
    () => new Error('it started'),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(StartupError)
  const { message } = error as StartupError
  expect(message).not.toContain('\n')
  for (const text of texts) expect(message).toContain(text)
}

async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await delay(50)
    }
  }
}

interface Found {
  readonly pid: number
  readonly command: string
}

const isInitdb = ({ command }: Found) => /initdb|--boot|--single/.test(command)

/** PostgreSQL's processes that work below a folder. Where there is no /proc, none. */
async function processesBelow(folder: string): Promise<Found[]> {
  const found: Found[] = []
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const isOurs = cwd.startsWith(folder) || command.includes(folder)
    if (isOurs && /^[^\0 ]*(postgres|initdb)/.test(command)) {
      found.push({ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() })
    }
  }
  return found
}
