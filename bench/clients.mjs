// Measures the clients: pages a second of 1, 32 and 256 crawls in one process against one server, with the processor
// time of that process and of the server. A loop by hand over fetch stands beside them.
// npm run bench:clients [-- --rounds 3]
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { cpuSecondsOf, here, run, startServer, stopAll } from './processes.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
const rounds = Number(values.rounds)
/** How many lists are crawled at once, and the pages of each: some thousand pages in all. */
const LOADS = [
  { lists: 1, pages: 1_000 },
  { lists: 32, pages: 100 },
  { lists: 256, pages: 20 },
]
const python = { PYTHONPATH: here('../clients/python/src') }
const CLIENTS = {
  'by hand': { prefix: 'hand', measure: (...of) => run(process.execPath, [here('clients/crawls.mjs'), 'hand', ...of]) },
  TypeScript: {
    prefix: 'client',
    measure: (...of) => run(process.execPath, [here('clients/crawls.mjs'), 'client', ...of]),
  },
  Python: { prefix: 'python', measure: (...of) => run('python3', [here('clients/crawls.py'), ...of], python) },
}

const { startEmbedded } = await import('../dist/database/embedded/embedded.js')
const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
// Started by root, PostgreSQL runs as another user, who must be able to read the folder.
await chmod(folder, 0o755)
const quiet = { info() {}, warn() {}, error() {}, debug() {} }
const postgres = await startEmbedded({ dataDir: folder, log: quiet })
const client = new pg.Client({ connectionString: postgres.url })
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
try {
  await client.connect()
  const settings = { DATABASE_URL: postgres.url, LOG_LEVEL: 'info' }
  const { url, child } = await startServer([here('../dist/main.js'), 'serve'], settings)
  const rows = []
  for (const { lists, pages } of LOADS) {
    const measured = Object.fromEntries(Object.keys(CLIENTS).map((name) => [name, []]))
    // The first round is for the server's compiler and caches. In turn, so that what else runs meets all alike.
    for (let round = 0; round <= rounds; round += 1) {
      for (const [name, { prefix, measure }] of Object.entries(CLIENTS)) {
        await client.query(`DELETE FROM public."user" WHERE id LIKE $1`, [`${prefix}-${lists}-%`])
        await client.query(`INSERT INTO public."user" (id) SELECT $1 || n FROM generate_series(0, $2::integer - 1) n`, [
          `${prefix}-${lists}-`,
          lists,
        ])
        const before = cpuSecondsOf(child.pid)
        const { seconds, cpuSeconds } = JSON.parse(await measure(url, String(lists), String(pages)))
        const serverSeconds = cpuSecondsOf(child.pid) - before
        const inAll = lists * pages
        const perPage = { client: (cpuSeconds / inAll) * 1e6, server: (serverSeconds / inAll) * 1e6 }
        if (round > 0) measured[name].push({ rate: inAll / seconds, ...perPage })
      }
    }
    for (const [name, figures] of Object.entries(measured)) {
      const of = (key) => Math.round(median(figures.map((figure) => figure[key])))
      rows.push(`| ${lists} | ${name} | ${of('rate')} | ${of('client')} | ${of('server')} |`)
    }
  }
  process.stdout.write(
    `Pages of 20 items, ${rounds} rounds, medians.\n\n` +
      '| crawls | client | pages/s | client, us/page | server, us/page |\n| ---: | --- | ---: | ---: | ---: |\n' +
      `${rows.join('\n')}\n`,
  )
} finally {
  await client.end()
  await stopAll()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}
