// The quick checks before a commit, in less than a minute. `npm test` checks everything.
import { performance } from 'node:perf_hooks'
import { runToEnd, tsc } from './children.mjs'
import { prepare } from './prepare.mjs'

const CACHE = 'node_modules/.cache'
const prettier = ['prettier', '--check', '--log-level', 'warn', '--cache', '--cache-strategy', 'content', '.']
const eslint = ['eslint', '--config', 'eslint.quick.config.js', '--max-warnings', '0', '--cache']
const vitest = ['vitest', 'run', '--config', 'test/vitest.config.ts', '--project', 'unit', '--reporter=dot']

const together = [
  { title: 'format (prettier)', command: prettier },
  {
    title: 'lint (the rules of eslint that need no types; npm test runs all)',
    command: [...eslint, '--cache-strategy', 'content', '--cache-location', `${CACHE}/eslint/`, '.'],
  },
  { title: 'types (tsc)', command: [...tsc, '--noEmit', '-p', 'tsconfig.json'] },
]
/** Alone, because some measure time. */
const afterwards = { title: 'unit tests (vitest, without PostgreSQL)', command: vitest }

const beganAt = performance.now()
tell(`npm run check: ${[...together, afterwards].map(({ title }) => title).join(', ')}`)
await prepare()
const passed = [...(await Promise.all(together.map(check))), await check(afterwards)]
tell(`${passed.every(Boolean) ? 'passed' : 'failed'} in ${secondsSince(beganAt)} s`)
process.exitCode = passed.every(Boolean) ? 0 : 1

async function check({ title, command: [program, ...args] }) {
  const startedAt = performance.now()
  const isPassed = (await runToEnd(program, args)) === 0
  tell(`${isPassed ? 'ok    ' : 'FAILED'}  ${title}: ${secondsSince(startedAt)} s`)
  return isPassed
}

function secondsSince(startedAt) {
  return Math.round((performance.now() - startedAt) / 1_000)
}

function tell(line) {
  process.stdout.write(`${line}\n`)
}
