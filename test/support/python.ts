import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What a test of the Python client says where the machine lacks something. */
export const needsPython = 'needs Python with pytest: apt-get install python3-pytest'

/** Debian's modules belong to /usr/bin/python3, while `python3` in PATH may be another one. */
const INTERPRETERS = ['/usr/bin/python3', 'python3']

/** @returns the first interpreter that has all these modules; undefined: none has */
export async function findPython(...modules: string[]): Promise<string | undefined> {
  for (const python of INTERPRETERS) {
    if ((await runPython(python, ['-c', `import ${modules.join(', ')}`])).code === 0) return python
  }
  return undefined
}

export interface PythonResult {
  readonly code: number
  /** Standard output, then standard error. */
  readonly output: string
}

/** Runs it to its end, and never fails. @param options.env beside the environment of the tests */
export async function runPython(
  python: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string>; readonly timeoutMs?: number } = {},
): Promise<PythonResult> {
  const { cwd, env = {}, timeoutMs = 120_000 } = options
  try {
    const { stdout, stderr } = await promisify(execFile)(python, args, {
      cwd,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 24,
    })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return { code: typeof code === 'number' ? code : -1, output: stdout + stderr || String(error) }
  }
}
