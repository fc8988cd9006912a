import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { FOLDER, type JsonObject } from './script.ts'

/** A line of a driver: one of a crawl's calls, events, or its end. */
export interface DriverLine {
  readonly crawl: string
  readonly call?: number
  readonly fetch?: { readonly pageToken: string | null; readonly mode: string }
  readonly process?: { readonly items: readonly string[]; readonly sessionId: string; readonly mode: string }
  readonly event?: JsonObject & { readonly type: string }
  readonly report?: JsonObject
  readonly error?: JsonObject
}

/** A client library under test. */
export interface Client {
  readonly name: string
  readonly command: readonly [string, ...string[]]
}

const DEBIANS_PYTHON = '/usr/bin/python3'
/** The client needs nothing but the standard library. undefined where the machine has no Python. */
export const PYTHON = existsSync(DEBIANS_PYTHON) ? DEBIANS_PYTHON : undefined
const pathOf = (name: string) => fileURLToPath(new URL(`drivers/${name}`, FOLDER))

/** @param built the path of its index.js */
export function typescriptClient(built: string): Client {
  return { name: 'TypeScript', command: [process.execPath, pathOf('driver.mjs'), built] }
}

/** undefined where the machine has no Python. */
export const PYTHONS: readonly Client[] | undefined = PYTHON
  ? [
      { name: 'Python, async', command: [PYTHON, pathOf('driver.py'), 'async'] },
      { name: 'Python, sync', command: [PYTHON, pathOf('driver.py'), 'sync'] },
    ]
  : undefined

/** A process that runs crawl() of one client, for any number of crawls at once. */
export class Driver implements AsyncDisposable {
  readonly client: Client
  readonly #child: ChildProcess
  readonly #crawls = new Map<string, (line: DriverLine | undefined) => void>()
  readonly #closed: Promise<unknown>
  /** All that it wrote: no key may be in it. */
  output = ''
  isDead = false

  constructor(client: Client) {
    this.client = client
    const [program, ...args] = client.command
    // Whatever is set for Waymark on this machine is not meant for these crawls.
    const { WAYMARK_URL: _url, WAYMARK_KEY: _key, ...env } = process.env
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    // A driver that was killed takes no more lines.
    child.stdin.on('error', () => undefined)
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.output += `${line}\n`
      const said = JSON.parse(line) as DriverLine
      this.#crawls.get(said.crawl)?.(said)
    })
    this.#closed = once(child, 'close').then(() => {
      this.isDead = true
      for (const tell of this.#crawls.values()) tell(undefined)
    })
  }

  /** @param tell gets the lines of the crawl; undefined: the process has ended */
  listen(crawl: string, tell: (line: DriverLine | undefined) => void): void {
    this.#crawls.set(crawl, tell)
    if (this.isDead) tell(undefined)
  }

  forget(crawl: string): void {
    this.#crawls.delete(crawl)
  }

  send(line: JsonObject): void {
    this.#child.stdin?.write(`${JSON.stringify(line)}\n`)
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
