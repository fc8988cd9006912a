// Builds Waymark, then runs a benchmark of bench/ in this process: npm run bench:feed -- --rounds 3
import { prepare } from './prepare.mjs'

await prepare()
const [name] = process.argv.splice(2, 1)
// The large database is a benchmark of its own.
const file = name === 'speed' && process.argv.includes('--large') ? 'growth' : name
await import(`../bench/${file}.mjs`)
