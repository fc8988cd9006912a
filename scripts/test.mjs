// Checks everything before a commit: types, lint, format, schema.graphql and all tests.
// Further arguments go to vitest: npm test -- test/integration/checkpoint
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allOf, check, format, lint, tell, types } from './checks.mjs'
import { root, runToEnd } from './children.mjs'
import { prepare } from './prepare.mjs'

const rest = process.argv.slice(2)
const isWhole = rest.length === 0
/** The tests wait for more than half of their time. The checks run in it, and take nothing from the tests. */
const besides = isWhole ? [types, format, lint] : []

await prepare()
const checks = besides.map((one) => check(one, { isIdle: true }))

const folder = mkdtempSync(join(tmpdir(), 'waymark-report-'))
try {
  const report = join(folder, 'report.json')
  const options = [
    '--config',
    'test/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    // Only for all tests: a run of some files cannot know whether the others contain the tests that the docs cite.
    ...(isWhole ? ['--reporter=./test/integration/docs/cited-tests-reporter.ts'] : []),
    `--outputFile=${report}`,
  ]
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const status = await runToEnd(process.execPath, [vitest, 'run', ...options, ...rest], { stdio: 'inherit' })
  const passed = await allOf(checks)
  process.exitCode = passed.every(Boolean) ? (status ?? 1) : status || 1
  const failed = besides.filter((_, place) => !passed[place])
  if (failed.length > 0) tell(`\nFailed, see above: ${failed.map(({ title }) => title).join(', ')}`)
  if (existsSync(report)) tellCounts(JSON.parse(readFileSync(report, 'utf8')))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function tellCounts({ numPassedTests, numFailedTests, numPendingTests, numTodoTests }) {
  const skipped = numPendingTests + numTodoTests
  process.stdout.write(
    `\nTests: ${numPassedTests} passed, ${numFailedTests} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
  )
}
