// The quick checks before a commit, in less than a minute. `npm test` checks everything.
import { performance } from 'node:perf_hooks'
import { allOf, check, format, quickLint, secondsSince, tell, types, unitTests } from './checks.mjs'
import { prepare } from './prepare.mjs'

const together = [format, quickLint, types]
/** Alone, because some measure time. */
const afterwards = unitTests

const beganAt = performance.now()
tell(`npm run check: ${[...together, afterwards].map(({ title }) => title).join(', ')}`)
await prepare()
const passed = [...(await allOf(together.map((one) => check(one)))), await check(afterwards)]
tell(`${passed.every(Boolean) ? 'passed' : 'failed'} in ${secondsSince(beganAt)} s`)
process.exitCode = passed.every(Boolean) ? 0 : 1
