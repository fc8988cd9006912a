// Measures what an idle Waymark costs: memory, start time and size on disk.
import { setTimeout as sleep } from 'node:timers/promises'
import { here, residentMegabytesOf, run, stop } from './processes.mjs'
import { candidates, WAYMARK } from './servers.mjs'
import { bodyOf, workNamed } from './works.mjs'

const STARTS = 5
const IDLE_MS = 5_000

/** @returns pairs of a name and a figure */
export async function measureCosts(databaseUrl, headers) {
  const { start } = candidates.find(({ name }) => name === WAYMARK)
  const answers = []
  let idle = 0
  for (let turn = 0; turn < STARTS; turn += 1) {
    const since = performance.now()
    const { url, child } = await start({ databaseUrl, nodeFlags: [], settings: {} })
    const response = await fetch(url, { method: 'POST', headers, body: bodyOf(workNamed('checkpoint'), 0, 0, 1) })
    await response.text()
    answers.push(performance.now() - since)
    if (turn === STARTS - 1) {
      await sleep(IDLE_MS)
      idle = residentMegabytesOf(child.pid)
    }
    await stop(child)
  }
  answers.sort((a, b) => a - b)
  return [
    [
      `start to first answer, existing database, median of ${STARTS} (target 1.5 s)`,
      `${(answers[STARTS >> 1] / 1_000).toFixed(2)} s`,
    ],
    ['memory at idle, 5 s after the start', `${Math.round(idle)} MB`],
    ['the bundle, without its source maps', await bundleSize()],
  ]
}

async function bundleSize() {
  const said = await run('du', ['-cbs', '--exclude=*.map', here('../dist')])
  return `${Math.round(Number(said.split('\t')[0]) / 1_000_000)} MB`
}
