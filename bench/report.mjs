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
/** Of samples of the same rounds: other work on the machine slows both. */
export const ratio = (samples, others, of) =>
  samples === others || !others
    ? undefined
    : median(samples.map((sample, round) => of(sample) / of(others[round] ?? {})))

/** Which command, when, of what, and where. */
export function sourceOf(command) {
  const git = (...args) => execFileSync('git', args, { cwd: here('.'), encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--', '../src', '../prisma') === '' ? '' : ', with changes'
  return `\`${command} ${process.argv.slice(2).join(' ')}\`, ${new Date().toISOString().slice(0, 16)}Z, commit ${git('rev-parse', '--short', 'HEAD')}${changed}.
${cpus()[0]?.model.trim()} x ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB; load generator, servers and database share it. Node ${process.version}`
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
  return `# Speed, in ratios${replicas ? ': two processes of each server, one of bare node:http' : ''}

${sourceOf('npm run bench --')}, ${rows[0].version}, ${pgbench ?? 'no pgbench'}; ${peers.join(', ')}.
${Number(rows[0].checkpoints).toLocaleString('en')} checkpoints, ${Number(rows[0].sessions).toLocaleString('en')} sessions, ${size.users.toLocaleString('en')} users; ${rounds} rounds of ${requests.toLocaleString('en')} requests after one to warm up, servers in turn.${note ? ` Beside it the machine did: ${note}.` : ''}

Each ratio is the median of the rounds' ratios. Only ratios of one run mean something: absolute figures are this machine's. CPU: microseconds of
processor time a request, of the server, the database's connections and the load generator; less moved by other work on the machine. Waymark runs with an API key, its request log and every guarantee; the others check no
key, log nothing, and save by one plain upsert into a table without history or events.
`
}

export function tableOf(results, { contenders, costs }) {
  const reference = contenders.find(({ name }) => name.startsWith(REFERENCE))?.name
  const lines = [
    '| work | server | a second | to Mercurius | p50 ms | p99 ms | p99 to Mercurius | CPU: server | database | generator | server’s to Mercurius |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const { work, results: servers } of results) {
    const others = servers.find(({ name }) => name === reference)?.samples
    servers.forEach(({ name, samples }, place) => {
      const of = (key) => median(samples.map((sample) => sample[key]))
      const target = work.target && name === WAYMARK ? ` (target ${work.target})` : ''
      const perSecond = of('perSecond')
      lines.push(
        `| ${[
          place === 0 ? `${work.title}, ${work.connections} connections` : '',
          name,
          perSecond === undefined ? '' : Math.round(perSecond * work.perRequest).toLocaleString('en'),
          `${fixed(
            ratio(samples, others, ({ perSecond: rate }) => rate),
            2,
          )}${target}`,
          fixed(of('p50'), 2),
          fixed(of('p99'), 2),
          fixed(
            ratio(samples, others, ({ p99 }) => p99),
            2,
          ),
          fixed(of('serverCpu'), 0),
          fixed(of('databaseCpu'), 0),
          fixed(of('generatorCpu'), 0),
          fixed(
            ratio(samples, others, ({ serverCpu }) => serverCpu),
            2,
          ),
        ].join(' | ')} |`,
      )
    })
  }
  const comparisons = results.flatMap(({ work, results: servers }) => compareWithFloor(work, servers))
  if (comparisons.length > 0) lines.push('', '| Waymark to | ratio |', '| --- | --- |', ...comparisons)
  const memory = contenders.filter(({ residentMegabytes }) => residentMegabytes)
  if (memory.length > 0) {
    lines.push('', '| memory after the run | MB |', '| --- | --- |')
    for (const { name, residentMegabytes } of memory)
      lines.push(`| ${name} | ${residentMegabytes.map((size) => Math.round(size)).join(' + ')} |`)
  }
  if (costs) lines.push('', '| cost | |', '| --- | --- |', ...costs.map(([what, figure]) => `| ${what} | ${figure} |`))
  return `${lines.join('\n')}\n`
}

/** Of saves: what PostgreSQL does by itself. And the peers, where targets are set against them. */
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
