// Writes more to a server's log than is kept for who doesn't read, and a last line once it is told to: node talkative.mjs LINES
import { setImmediate as turn } from 'node:timers/promises'
import { createServerLog } from '../../../dist/observability/log.js'

const lines = Number(process.argv[2])
const log = createServerLog('info')
for (let n = 0; n < lines; n += 1) {
  log.info({ text: 'x'.repeat(200) }, 'line')
  if (n % 1_000 === 0) await turn()
}
process.stderr.write('written\n')
process.stdin.once('data', () => {
  log.info('last')
  process.stdin.destroy()
})
