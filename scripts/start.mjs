// Runs a command of Waymark from a checkout: node scripts/start.mjs [serve | migrate | verify | seed | key ... |
// export | import | print-schema]
// It runs in this process, so that signals reach the server.
import { parentPid } from './children.mjs'
import { prepare } from './prepare.mjs'

await prepare()
const { main } = await import('../dist/cli/cli.js')
process.exitCode = await main(process.argv.slice(2), { parentPid })
