// What `npm run check` and `npm test` check beside the tests. Each check tells how long it took.
import { performance } from 'node:perf_hooks'
import { runToEnd, tsc } from './children.mjs'

const CACHE = ['--cache', '--cache-strategy', 'content']
const QUICK_LINT = ['--config', 'eslint.quick.config.js', ...CACHE, '--cache-location', 'node_modules/.cache/eslint/']

export const format = {
  title: 'format (prettier)',
  command: ['prettier', '--check', '--log-level', 'warn', ...CACHE, '.'],
}
export const types = { title: 'types (tsc)', command: [...tsc, '--noEmit', '-p', 'tsconfig.json'] }
export const lint = { title: 'lint (eslint)', command: ['eslint', '.', '--max-warnings', '0'] }
export const quickLint = {
  title: 'lint (the rules of eslint that need no types; npm test runs all)',
  command: ['eslint', ...QUICK_LINT, '.', '--max-warnings', '0'],
}
export const unitTests = {
  title: 'unit tests (vitest, without PostgreSQL)',
  command: ['vitest', 'run', '--config', 'test/vitest.config.ts', '--project', 'unit', '--reporter=dot'],
}

/**
 * Runs a check to its end.
 * @param options as in runToEnd
 * @returns whether it passed
 */
export async function check({ title, command: [program, ...args] }, options) {
  const startedAt = performance.now()
  const isPassed = (await runToEnd(program, args, options)) === 0
  tell(`${isPassed ? 'ok    ' : 'FAILED'}  ${title}: ${secondsSince(startedAt)} s`)
  return isPassed
}

/**
 * Waits for checks that were started together.
 * @returns for each whether it passed
 * @throws Interrupted, but only once all have ended: until then a signal to this process would not end it
 */
export async function allOf(running) {
  const results = await Promise.allSettled(running)
  for (const { reason } of results) if (reason) throw reason
  return results.map(({ value }) => value)
}

export function secondsSince(startedAt) {
  return Math.round((performance.now() - startedAt) / 1_000)
}

export function tell(line) {
  process.stdout.write(`${line}\n`)
}
