import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { endProcess } from './crawl-server.ts'

/** Node 20 runs no TypeScript: writes examples/crawler.ts as JavaScript into the folder. @returns its path */
export async function compileCrawler(folder: string): Promise<string> {
  const source = await readFile(new URL('../../examples/crawler.ts', import.meta.url), 'utf8')
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 }
  const script = join(folder, 'crawler.mjs')
  await writeFile(script, ts.transpileModule(source, { compilerOptions: options }).outputText)
  return script
}

export interface CrawlRunOptions {
  readonly script: string
  readonly env: Record<string, string>
  readonly args: readonly string[]
}

/** One process of examples/crawler.ts, and what it said until it ended or was killed. */
export class CrawlRun implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting: { count: number; resolve: () => void }[] = []
  #output = ''
  errors = ''
  killed = false
  /** Resolves with the exit code, null after a kill, once all its output was read. */
  readonly ended: Promise<number | null>

  constructor({ script, env, args }: CrawlRunOptions) {
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
      for (const wait of this.#waiting) if (this.pages.length >= wait.count) wait.resolve()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text
    })
    this.#child = child
    this.ended = once(child, 'close').then(([code]) => code as number | null)
  }

  /** Known before Waymark hears of it; undefined where the run was killed before that. */
  get sessionId(): string | undefined {
    return /^session (.+)\n/m.exec(this.#output)?.[1]
  }

  /** The pages it began to process, in order; pages that hold nothing new aren't among them. A line cut off by a kill doesn't count. */
  get pages(): string[][] {
    return [...this.#output.matchAll(/^processing (.+)\n/gm)].map(([, ids = '']) => ids.split(' '))
  }

  /** Resolves once it has begun to process so many pages. */
  processing(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve })
      if (this.pages.length >= count) resolve()
    })
  }

  async kill(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL')
    this.killed = this.#child.signalCode === 'SIGKILL'
  }

  /** What an operator or an init system sends: the crawler ends its session and itself. */
  stop(): void {
    this.#child.kill('SIGTERM')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child, 'SIGKILL')
  }
}
