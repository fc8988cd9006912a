// Measures what it costs to load the built server: node scripts/load-time.mjs [rounds]
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './children.mjs'
import { prepare } from './prepare.mjs'

await prepare()
const rounds = Number(process.argv[2] ?? 5)
const program = `await import(${JSON.stringify(join(root, 'dist/app.js'))})
const { user, system } = process.cpuUsage()
console.log((user + system) / 1_000)`
const times = Array.from({ length: rounds }, () => {
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  return Number(stdout)
}).sort((a, b) => a - b)
console.log(`processor time to load, ms, of ${rounds} rounds: median ${Math.round(times[rounds >> 1])}`)
