import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../integration/docs/markdown.ts'
import { keyedCaller } from '../support/keyed-callers.ts'
import { findPython, needsPython, runPython } from '../support/python.ts'
import { startOn, startWaymark } from '../support/waymark.ts'

export const pythonClient = join(root, 'clients/python')
export const python = await findPython('pytest', 'asyncpg')
/** For titles of what is skipped without it. */
export const pythonMissing = python ? '' : ` (${needsPython} python3-asyncpg)`

/** Those that start programs take longest: they have a test file of their own, which another worker runs meanwhile. */
export const programTests = ['test_examples.py', 'test_interrupts.py', 'test_scrapy.py', 'test_wheel.py']
export const pythonTests = readdirSync(join(pythonClient, 'tests')).filter(
  (name) => /^test_.*\.py$/.test(name) && !programTests.includes(name),
)

/** A server for the tests of the Python client, and the environment that tells them of it. */
export interface PythonWorld extends AsyncDisposable {
  readonly env: Record<string, string>
}

export async function startPythonWorld(): Promise<PythonWorld> {
  const waymark = await startWaymark()
  const withKeys = await startOn(waymark.database.url, { AUTHENTICATION: 'keys' })
  const keyOf = async (...[scopes, userIds]: [scopes: ('read' | 'crawl')[], userIds?: string[]]) =>
    (await keyedCaller(waymark, scopes, userIds)).authorization.replace('Bearer ', '')
  return {
    env: {
      WAYMARK_URL: waymark.url,
      WAYMARK_TEST_DATABASE: waymark.database.url,
      WAYMARK_KEYS_URL: withKeys.url,
      WAYMARK_READ_KEY: await keyOf(['read']),
      WAYMARK_CRAWL_KEY: await keyOf(['crawl'], ['keyed']),
    },
    async [Symbol.asyncDispose]() {
      await withKeys.close()
      await waymark[Symbol.asyncDispose]()
    },
  }
}

/** One test for each file of pytest. @param world is asked for when a test begins */
export function passesTests(files: readonly string[], world: () => PythonWorld): void {
  it.each(files)('passes the tests of %s', { timeout: 300_000 }, async (file) => {
    const args = ['-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider', join('tests', file)]
    const options = { cwd: pythonClient, env: world().env, timeoutMs: 280_000 }
    const { code, output } = await runPython(python ?? '', args, options)
    expect(code, output).toBe(0)
  })
}
