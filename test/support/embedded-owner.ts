import { fork, type ChildProcess, type ForkOptions } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const projectDir = fileURLToPath(new URL('../..', import.meta.url))

/** What a child process reports once its startEmbedded has ended, well or not. */
export interface Report {
  readonly url?: string
  readonly adopted?: boolean
  readonly notes?: readonly string[]
  readonly failure?: string
  readonly failureName?: string
}

const program = `
import { startEmbedded } from './src/database/embedded/embedded.js'
const log = { info() {}, warn() {}, debug() {} }
try {
  const { url, adopted, notes, stop } = await startEmbedded({ ...JSON.parse(process.argv[2]), log })
  process.on('message', () => stop().then(() => process.disconnect()))
  process.send({ url, adopted, notes })
} catch (error) {
  process.send({ failure: error.message, failureName: error.name }, () => process.disconnect())
}
`

/**
 * Makes a folder with a program that owns an embedded database, for child processes: they can be killed with -9, and started as
 * another user, who may not be able to reach the checkout; so all that it needs is copied.
 */
export async function buildOwner(folder: string): Promise<string> {
  for (const part of ['errors', 'database/embedded']) await mkdir(join(folder, 'src', part), { recursive: true })
  const names = await readdir(join(projectDir, 'src/database/embedded'))
  for (const name of ['errors/startup-error.ts', ...names.map((name) => join('database/embedded', name))]) {
    const source = await readFile(join(projectDir, 'src', name), 'utf8')
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    })
    await writeFile(join(folder, 'src', name.replace(/ts$/, 'js')), outputText)
  }
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  for (const name of await dependenciesOf(['pg', 'zod'])) {
    await cp(join(projectDir, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
  }
  const file = join(folder, 'owner.js')
  await writeFile(file, program)
  return file
}

async function dependenciesOf(names: readonly string[], known = new Set<string>()): Promise<Set<string>> {
  for (const name of names) {
    if (known.has(name)) continue
    known.add(name)
    const manifest = await readFile(join(projectDir, 'node_modules', name, 'package.json'), 'utf8')
    await dependenciesOf(Object.keys((JSON.parse(manifest) as { dependencies?: object }).dependencies ?? {}), known)
  }
  return known
}

/** Starts the program of buildOwner; kill it with `child.kill('SIGKILL')`, or send it any message to stop in order. */
export function forkOwner(
  file: string,
  options: Record<string, unknown>,
  user?: Pick<ForkOptions, 'uid' | 'gid'>,
): ChildProcess {
  return fork(file, [JSON.stringify(options)], { cwd: '/', execArgv: [], ...user })
}

export async function reportOf(child: ChildProcess): Promise<Report> {
  const [report] = (await once(child, 'message')) as [Report]
  return report
}

/** Sends SIGKILL and waits for the end. */
export async function killNow(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
