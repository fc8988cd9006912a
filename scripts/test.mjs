// Everything that must hold before a commit: types, lint, format, schema.graphql, all tests. --quick leaves the tests out.
// Further arguments go to vitest: npm test -- test/checkpoint
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepare, root, runTogether } from './prepare.mjs'

const quick = process.argv.includes('--quick')
const rest = process.argv.slice(2).filter((argument) => argument !== '--quick')

prepare()
if (rest.length === 0) {
  await runTogether([
    ['tsc', '--noEmit', '-p', 'tsconfig.json'],
    ['eslint', '.', '--max-warnings', '0'],
    ['prettier', '--check', '--log-level', 'warn', '.'],
  ])
}
if (quick) process.exit(0)

const folder = mkdtempSync(join(tmpdir(), 'waymark-report-'))
const report = join(folder, 'report.json')
const vitest = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--config',
    'test/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    `--outputFile=${report}`,
    ...rest,
  ],
  { cwd: root, stdio: 'inherit' },
)
const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined
rmSync(folder, { recursive: true, force: true })
if (results) {
  const skipped = results.numPendingTests + results.numTodoTests
  process.stdout.write(
    `\nTests: ${results.numPassedTests} passed, ${results.numFailedTests} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
  )
}
process.exit(vitest.status ?? 1)
