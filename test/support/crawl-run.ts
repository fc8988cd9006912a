import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { endProcess } from './crawl-server.ts'

/** Node 20 runs no TypeScript: writes examples/*.ts as JavaScript into the folder. @returns the crawler's path */
export async function compileCrawler(folder: string): Promise<string> {
  const examples = fileURLToPath(new URL('../../examples', import.meta.url))
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2023,
    rewriteRelativeImportExtensions: true,
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  for (const name of await readdir(examples)) {
    if (!name.endsWith('.ts')) continue
    const source = await readFile(join(examples, name), 'utf8')
    await writeFile(join(folder, name.replace(/ts$/, 'js')), ts.transpileModule(source, { compilerOptions }).outputText)
  }
  return join(folder, 'crawler.js')
}

export interface CrawlRunOptions {
  readonly script: string
  /** What runs the script. Default: this Node.js. */
  readonly program?: string
  readonly env: Record<string, string>
  readonly args: readonly string[]
}

export interface CrawlRunSession {
  readonly sessionId: string
  /** Of its plan; undefined where the run was killed before it heard. */
  readonly mode: string | undefined
  readonly pages: string[][]
}

/** One process of a crawler, and what it said until it ended or was killed. */
export class CrawlRun implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting: { isOver: () => boolean; resolve: () => void }[] = []
  #output = ''
  errors = ''
  killed = false
  /** Resolves with the exit code, null after a kill, once all its output was read. */
  readonly ended: Promise<number | null>

  constructor({ script, program = process.execPath, env, args }: CrawlRunOptions) {
    const child = spawn(program, [script, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
      for (const wait of this.#waiting) if (wait.isOver()) wait.resolve()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.#child = child
    this.ended = once(child, 'close').then(([code]) => code as number | null)
  }

  /** Its sessions, each known before Waymark hears of it. A line cut off by a kill doesn't count. */
  get sessions(): CrawlRunSession[] {
    const [, ...parts] = this.#output.split(/^session /m)
    return parts.flatMap((part) => {
      const sessionId = /^(.+)\n/.exec(part)?.[1]
      const mode = /^(FULL|RESUME|INCREMENTAL): /m.exec(part)?.[1]
      const pages = [...part.matchAll(/^processing (.+)\n/gm)].map(([, ids = '']) => ids.split(' '))
      return sessionId === undefined ? [] : { sessionId, mode, pages }
    })
  }

  /** The pages it began to process, in order; pages that hold nothing new aren't among them. */
  get pages(): string[][] {
    return this.sessions.flatMap(({ pages }) => pages)
  }

  /** Resolves once it has begun to process so many pages. */
  processing(count: number): Promise<void> {
    return this.#until(() => this.pages.length >= count)
  }

  /** Resolves once it is about to start its first session. */
  opening(): Promise<void> {
    return this.#until(() => this.sessions.length > 0)
  }

  #until(isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ isOver, resolve })
      if (isOver()) resolve()
    })
  }

  async kill(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL')
    this.killed = this.#child.signalCode === 'SIGKILL'
  }

  /** Takes the processor from it: it neither runs nor ends, and its connections stay open. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** What an operator or an init system sends: the crawler ends its session and itself. */
  stop(): void {
    this.#child.kill('SIGTERM')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child, 'SIGKILL')
  }
}
