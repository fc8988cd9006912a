import { spawn } from 'node:child_process'
import { findFreePort } from './free-port.ts'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readPidFile } from '../../src/database/embedded/postmaster.ts'

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** On a machine with much else to do. */
const READY_MS = 100_000

interface Answer<Data> {
  readonly data?: Data
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

/** A built Waymark with its embedded PostgreSQL, as processes of their own, to be killed. It keeps port and data over restarts. */
export class CrawlServer implements AsyncDisposable {
  readonly #folder: string
  readonly #port: number
  #child: ChildProcess | undefined
  #expectedToEnd = false
  /** What the server wrote since the first start. */
  log = ''
  readonly url: string

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.#port = port
    this.url = `http://127.0.0.1:${port}/graphql`
  }

  /** Resolves when the server takes requests. */
  static async start(): Promise<CrawlServer> {
    if (!existsSync(program)) throw new Error('dist/main.js is missing: run `npm run build`')
    const folder = await mkdtemp(join(tmpdir(), 'waymark-crawl-'))
    // As root PostgreSQL runs as another user, who must be able to pass.
    await chmod(folder, 0o755)
    const server = new CrawlServer(folder, await findFreePort())
    server.launch()
    try {
      await server.ready()
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  launch(): void {
    this.#expectedToEnd = false
    const child = spawn(process.execPath, [program, 'serve'], {
      // Away from the checkout, where a developer's .env may name another database.
      cwd: this.#folder,
      env: {
        ...process.env,
        DATABASE_URL: '',
        HOST: '127.0.0.1',
        PORT: String(this.#port),
        DATA_DIR: join(this.#folder, 'data'),
        LOG_LEVEL: 'info',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.log += text
      })
    }
    this.#child = child
  }

  /** Polls /ready. @throws if the server has ended by itself, or isn't ready in time */
  async ready(): Promise<void> {
    const deadline = performance.now() + READY_MS
    for (;;) {
      this.#assertRuns()
      const response = await fetch(new URL('/ready', this.url)).catch(() => undefined)
      if (response?.ok) return
      if (performance.now() > deadline) throw new Error(`Waymark isn't ready after ${READY_MS} ms:\n${this.#tail()}`)
      await sleep(50)
    }
  }

  /** kill -9 of the server alone: its PostgreSQL stays behind, as after any such kill. */
  async kill(): Promise<void> {
    this.#assertRuns()
    this.#expectedToEnd = true
    await endProcess(this.#child, 'SIGKILL')
  }

  /** kill -9 of the embedded PostgreSQL, whose server must start it again. */
  async killPostgres(): Promise<void> {
    const deadline = performance.now() + READY_MS
    for (;;) {
      await this.ready()
      const pid = await this.#postmasterPid()
      if (pid !== undefined) {
        process.kill(pid, 'SIGKILL')
        return
      }
      // /ready may be a second old, and PostgreSQL was killed since.
      if (performance.now() > deadline) throw new Error('Waymark is ready, yet its PostgreSQL is not to be found')
      await sleep(100)
    }
  }

  /**
   * One GraphQL request that may be repeated, as soon as the server answers it. /ready may be a second old: a database that
   * was killed since then is SERVICE_UNAVAILABLE, and a client tries again.
   * @throws what GraphQL reports
   */
  async query<Data>(query: string, variables: object): Promise<Data> {
    const deadline = performance.now() + READY_MS
    for (;;) {
      await this.ready()
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query, variables }),
      })
      const { data, errors } = (await response.json()) as Answer<Data>
      const isOutage = errors?.some(({ extensions }) => extensions.code === 'SERVICE_UNAVAILABLE') === true
      if (!isOutage || performance.now() > deadline) {
        if (data === undefined || errors) throw new Error(`Waymark answered ${JSON.stringify(errors)}`)
        return data
      }
      await sleep(100)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#expectedToEnd = true
    await endProcess(this.#child, 'SIGTERM')
    // Where a failed test left the server killed, its PostgreSQL is still there.
    const left = await this.#postmasterPid()
    if (left !== undefined) process.kill(left, 'SIGKILL')
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 })
  }

  /** undefined where PostgreSQL is down; a stale pid file may name anybody's process by now. */
  async #postmasterPid(): Promise<number | undefined> {
    const pidFile = await readPidFile(join(this.#folder, 'data/postgres'))
    return pidFile.state === 'running' ? pidFile.postmaster.pid : undefined
  }

  #assertRuns(): void {
    const { exitCode, signalCode } = this.#child ?? {}
    if (this.#expectedToEnd || (exitCode === null && signalCode === null)) return
    throw new Error(`Waymark ended by itself (${exitCode ?? signalCode}):\n${this.#tail()}`)
  }

  #tail(): string {
    return this.log.split('\n').slice(-30).join('\n')
  }
}

/** Signals a process and waits until it is gone. Harmless when it is gone already. */
export async function endProcess(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child?.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill(signal)
  await closed
}
