import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { here } from './processes.mjs'
import { REFERENCE, WAYMARK } from './servers.mjs'

export const median = (numbers) => {
  const sorted = numbers.filter((number) => Number.isFinite(number)).toSorted((a, b) => a - b)
  return sorted.length === 0 ? undefined : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}
export const fixed = (number, digits) => (number === undefined ? '' : number.toFixed(digits))
/** The median ratio of samples of the same rounds, since other work on the machine slows both. */
export const ratio = (samples, others, of) =>
  samples === others || !others
    ? undefined
    : median(samples.map((sample, round) => of(sample) / of(others[round] ?? {})))

const MOST_COLUMNS = 120

/** Breaks each paragraph into lines of at most 120 columns, at spaces. */
export function wrapped(text) {
  return text
    .split('\n')
    .map((paragraph) =>
      paragraph
        .split(' ')
        .reduce((lines, word) => {
          const line = lines.at(-1)
          if (line === undefined || `${line} ${word}`.length > MOST_COLUMNS) return [...lines, word]
          return [...lines.slice(0, -1), `${line} ${word}`]
        }, [])
        .join('\n'),
    )
    .join('\n')
}

/** The command, the time, the commit and the machine of a run. */
export function sourceOf(command) {
  const git = (...args) => execFileSync('git', args, { cwd: here('.'), encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--', '../src', '../prisma') === '' ? '' : ', with changes'
  return `\`${command} ${process.argv.slice(2).join(' ')}\`, ${new Date().toISOString().slice(0, 16)}Z, commit ${git('rev-parse', '--short', 'HEAD')}${changed}. ${cpus()[0]?.model.trim()} x ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, shared by the load generator, the servers and the database. Node ${process.version}`
}

export async function describeRun({ client, size, rounds, requests, pgbench, replicas, note }) {
  const { rows } = await client.query(
    `SELECT split_part(version(), ' on ', 1) AS version, (SELECT count(*) FROM crawler.crawl_session) AS sessions,
      (SELECT count(*) FROM crawler.crawl_checkpoint) AS checkpoints`,
  )
  const versionOf = (name) => JSON.parse(readFileSync(here(`node_modules/${name}/package.json`), 'utf8')).version
  const peers = ['mercurius', 'fastify', 'postgraphile', '@apollo/server', 'graphql', 'pg'].map(
    (name) => `${name} ${versionOf(name)}`,
  )
  return wrapped(`# Speed, in ratios${replicas ? ': two processes of each server, one of bare node:http' : ''}

${sourceOf('npm run bench --')}, ${rows[0].version}, ${pgbench ?? 'no pgbench'}; ${peers.join(', ')}. ${Number(rows[0].checkpoints).toLocaleString('en')} checkpoints, ${Number(rows[0].sessions).toLocaleString('en')} sessions, ${size.users.toLocaleString('en')} users. ${rounds} rounds of ${requests.toLocaleString('en')} requests after one to warm up, servers in turn.${note ? ` Meanwhile the machine did: ${note}.` : ''}

Ratios in the tables are to Mercurius, and each is the median of the ratios of the rounds. Compare ratios of one run only: absolute figures depend on the machine. CPU is processor time per request in µs, of the server, of the database's connections and of the load generator; other work on the machine moves it less. Waymark runs with an API key, its request log and every guarantee. The others check no key, log nothing, and save by one plain upsert into a table without history or events.
`)
}

export function tableOf(results, { contenders, costs }) {
  const reference = contenders.find(({ name }) => name.startsWith(REFERENCE))?.name
  const lines = []
  for (const { work, results: servers } of results) {
    const others = servers.find(({ name }) => name === reference)?.samples
    const goal = work.target ? ` (target ${work.target})` : ''
    lines.push(
      ...(lines.length > 0 ? [''] : []),
      `## ${work.title}, ${work.connections} connections${goal}`,
      '',
      '| server | a second | ratio | p50 ms | p99 ms | ratio | CPU: server | database | generator | ratio |',
      '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    )
    for (const { name, samples } of servers) {
      const of = (key) => median(samples.map((sample) => sample[key]))
      const toMercurius = (key) =>
        fixed(
          ratio(samples, others, (sample) => sample[key]),
          2,
        )
      const perSecond = of('perSecond')
      lines.push(
        `| ${[
          name,
          perSecond === undefined ? '' : Math.round(perSecond * work.perRequest).toLocaleString('en'),
          toMercurius('perSecond'),
          fixed(of('p50'), 2),
          fixed(of('p99'), 2),
          toMercurius('p99'),
          fixed(of('serverCpu'), 0),
          fixed(of('databaseCpu'), 0),
          fixed(of('generatorCpu'), 0),
          toMercurius('serverCpu'),
        ].join(' | ')} |`,
      )
    }
  }
  const comparisons = results.flatMap(({ work, results: servers }) => compareWithFloor(work, servers))
  if (comparisons.length > 0)
    lines.push('', '## Other comparisons', '', '| Waymark to | ratio |', '| --- | --- |', ...comparisons)
  const memory = contenders.filter(({ residentMegabytes }) => residentMegabytes)
  if (memory.length > 0) {
    lines.push('', '## Memory and start', '', '| memory after the run | MB |', '| --- | --- |')
    for (const { name, residentMegabytes } of memory)
      lines.push(`| ${name} | ${residentMegabytes.map((size) => Math.round(size)).join(' + ')} |`)
  }
  if (costs) lines.push('', '| cost | |', '| --- | --- |', ...costs.map(([what, figure]) => `| ${what} | ${figure} |`))
  return `${lines.join('\n')}\n`
}

/** Compares Waymark with every other server except Mercurius, and with PostgreSQL alone. */
function compareWithFloor(work, servers) {
  const isOwn = ({ name }) => name.startsWith(WAYMARK)
  const own = servers.find(isOwn)?.samples
  if (!own) return []
  return servers
    .filter((server) => !isOwn(server) && !server.name.startsWith(REFERENCE))
    .map(
      ({ name, samples }) =>
        `| ${name}: ${work.title} | ${fixed(
          ratio(own, samples, ({ perSecond }) => perSecond),
          2,
        )} |`,
    )
}
