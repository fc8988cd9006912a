import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App } from '../../src/app.ts'
import { blocksNamed, readDocument, root } from '../integration/docs/markdown.ts'
import { keyedCaller } from '../support/keyed-callers.ts'
import { findPython, needsPython, runPython } from '../support/python.ts'
import { startOn, startWaymark, type TestWaymark } from '../support/waymark.ts'

const folder = join(root, 'clients/python')
const python = await findPython('pytest', 'asyncpg')
const files = readdirSync(join(folder, 'tests')).filter((name) => /^test_.*\.py$/.test(name))

describe.skipIf(!python)(`the Python client${python ? '' : ` (${needsPython} python3-asyncpg)`}`, () => {
  let waymark: TestWaymark
  let withKeys: App
  let env: Record<string, string>
  beforeAll(async () => {
    waymark = await startWaymark()
    withKeys = await startOn(waymark.database.url, { AUTHENTICATION: 'keys' })
    const keyOf = async (...[scopes, userIds]: [scopes: ('read' | 'crawl')[], userIds?: string[]]) =>
      (await keyedCaller(waymark, scopes, userIds)).authorization.replace('Bearer ', '')
    env = {
      WAYMARK_URL: waymark.url,
      WAYMARK_TEST_DATABASE: waymark.database.url,
      WAYMARK_KEYS_URL: withKeys.url,
      WAYMARK_READ_KEY: await keyOf(['read']),
      WAYMARK_CRAWL_KEY: await keyOf(['crawl'], ['keyed']),
    }
  })
  afterAll(async () => {
    await withKeys.close()
    await waymark[Symbol.asyncDispose]()
  })

  it.each(files)('passes the tests of %s', { timeout: 300_000 }, async (file) => {
    const args = ['-m', 'pytest', '-q', '-rs', '-p', 'no:cacheprovider', join('tests', file)]
    const { code, output } = await runPython(python ?? '', args, { cwd: folder, env, timeoutMs: 280_000 })
    expect(code, output).toBe(0)
  })
})

it('examples/README.md shows the Python examples in the block that test_examples.py runs', async () => {
  expect(files).toContain('test_examples.py')
  expect(blocksNamed(await readDocument('examples/README.md'), 'sh', 'python')).toHaveLength(1)
})

const typeChecker = await findPython('mypy')

describe.skipIf(!typeChecker)(
  `the types of the Python client${typeChecker ? '' : ' (needs Python with mypy: apt-get install python3-mypy)'}`,
  () => {
    it('are complete: mypy --strict finds nothing', { timeout: 180_000 }, async () => {
      const args = ['-m', 'mypy', '--strict', '--cache-dir=/dev/null']
      const { code, output } = await runPython(typeChecker ?? '', args, { cwd: folder, timeoutMs: 170_000 })
      expect(code, output).toBe(0)
      expect(output).toContain('no issues found')
    })
  },
)
