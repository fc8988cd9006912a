// Runs a command of Waymark from a checkout: node scripts/start.mjs [serve | migrate | verify | seed | key ... | print-schema]
// In this very process, so that signals sent to it reach the server.
import { parentPid } from './children.mjs'
import { prepare } from './prepare.mjs'

await prepare()
const { main } = await import('../dist/cli/cli.js')
process.exitCode = await main(process.argv.slice(2), { parentPid })
