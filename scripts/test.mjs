// Checks everything before a commit: types, lint, format, schema.graphql and all tests.
// Further arguments go to vitest: npm test -- test/integration/checkpoint
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runToEnd, runTogether, tsc } from './children.mjs'
import { prepare } from './prepare.mjs'

const rest = process.argv.slice(2)

await prepare()
if (rest.length === 0) {
  await runTogether([
    [...tsc, '--noEmit', '-p', 'tsconfig.json'],
    ['eslint', '.', '--max-warnings', '0'],
    ['prettier', '--check', '--log-level', 'warn', '--cache', '--cache-strategy', 'content', '.'],
  ])
}

const folder = mkdtempSync(join(tmpdir(), 'waymark-report-'))
try {
  const report = join(folder, 'report.json')
  const options = [
    '--config',
    'test/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    // Only for all tests: a run of some files cannot know whether the others contain the tests that the docs cite.
    ...(rest.length === 0 ? ['--reporter=./test/integration/docs/cited-tests-reporter.ts'] : []),
    `--outputFile=${report}`,
  ]
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const status = await runToEnd(process.execPath, [vitest, 'run', ...options, ...rest], { stdio: 'inherit' })
  process.exitCode = status ?? 1
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
