// Builds, then runs a benchmark of test/bench in this very process: npm run bench:feed -- --rounds 3
import { prepare } from './prepare.mjs'

prepare()
const [name] = process.argv.splice(2, 1)
await import(`../test/bench/${name}.mjs`)
