import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createInterface } from 'node:readline'

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** What a finished command said. */
export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command of the built program to its end, with nothing of the caller's environment but PATH and HOME. */
export async function runCommand(
  args: readonly string[],
  env: Record<string, string>,
  options: { readonly cwd?: string } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [program, ...args], { cwd: options.cwd, env: environment(env) })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** A server in a process of its own. Disposing kills it, if it still runs. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string
  readonly child: ChildProcess
  /** The lines it has written to stdout so far. */
  readonly lines: readonly string[]
  /** What it has written to stderr so far: of a process that Node ended, the reason. */
  readonly stderr: string
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Starts the built server on a free port, and resolves once it says where it serves. */
export async function startServer(
  env: Record<string, string>,
  options: { readonly cwd?: string } = {},
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [program, 'serve'], {
    cwd: options.cwd,
    env: environment({ PORT: '0', ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exited = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      const served = /Waymark serves (http:\S+)/.exec(line)?.[1]
      if (served) resolve(served)
    })
    void exited.then(({ code }) => reject(new Error(`the server exited with ${code}: ${stderr} ${lines.join('\n')}`)))
  })
  return {
    url,
    child,
    lines,
    get stderr() {
      return stderr
    },
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

function environment(env: Record<string, string>): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env }
}
