import { fixed, median, ratio, sourceOf, wrapped } from './report.mjs'

const LIST_TARGET = 1.3
const SAVER_TARGET = 2
/** More than a page of 20 with its related rows, and more than any one user has. */
const MANY_ROWS = 500
/** Also by time: an index can be read from end to end without reading a row of its table. */
const MANY_MS = 5

/** @returns the text of GROWTH.md */
export async function reportGrowth({ sets, results, scans, plans, saver, rounds, requests, startedAt, note }) {
  const { rows } = await sets[0].client.query(`SELECT split_part(version(), ' on ', 1) AS version`)
  const said = (number) => Number(number).toLocaleString('en')
  const [small, large] = sets
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(0)
  const compared = results.filter(({ work }) => work.kind !== 'count')
  const lists = compared.filter(({ work }) => work.kind !== 'write')
  const counts = results.filter(({ work }) => work.kind === 'count')
  const over = lists.filter((result) => ratioOf(result) > LIST_TARGET)
  const lines = [
    '# Growth, in ratios',
    '',
    `${sourceOf('npm run bench --')}, ${minutes} minutes. ${rows[0].version}, with the settings of the embedded server.${note ? ` Meanwhile the machine did: ${note}.` : ''}`,
    '',
    ...sets.map(
      ({ name, sessions, checkpoints, revisions, size, megabytes, fillSeconds }) =>
        `- The ${name} database: ${said(sessions)} sessions, ${said(checkpoints)} checkpoints, ${said(revisions)} revisions, ${said(size.users)} users, ${said(Math.round(megabytes))} MB, filled in ${fillSeconds.toFixed(0)} s.`,
    ),
    '',
    `Both databases are in one PostgreSQL. Each has a Waymark with an API key, and the two are asked in turn: ${rounds} rounds of ${requests} requests over 8 keep-alive connections, after one to warm up. Users, sessions, times and places in lists are random over the whole database. Each ratio is large to small, and the median of the ratios of the rounds.`,
    '',
    '## Lookups and lists',
    '',
    `The target is at most ${LIST_TARGET} times the time of the small database. ${lists.length - over.length} of ${lists.length} meet it${over.length === 0 ? '' : `. These do not: ${over.map(({ work }) => work.name).join('; ')}`}. A ratio above the target is bold. The median of all ratios is ${fixed(median(lists.map(ratioOf)), 2)}, and the largest is ${fixed(Math.max(...lists.map(ratioOf)), 2)}. The small database has only 10 checkpoints of the rare stream, so both are asked for a page of 10 of them.`,
    ...(scans
      ? [
          '',
          `Sequential scans of tables with more than 1,000 rows that the connections to the large database began: ${scans.length === 0 ? 'none' : scans.map(([table, times]) => `${table} ${times}`).join(', ')}.`,
        ]
      : []),
    '',
    '| asked | ratio | rounds | p50 ms, small | large | p99 ms, small | large |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...compared.map(rowOf),
    '',
  ]
  if (counts.length > 0)
    lines.push(
      '## Counting',
      '',
      '`totalCount`, `sessionStats` and `activity` read every row that they count, and only if they are selected. The times are the best of 3 requests, one at a time.',
      '',
      '| asked | ms, small | large | ratio |',
      '| --- | --- | --- | --- |',
      ...counts.map(({ work, samples: [few, many] }) => {
        const best = ({ times, failure }) => (failure ? failure : fixed(Math.min(...times), 1))
        const times = few.failure || many.failure ? undefined : Math.min(...many.times) / Math.min(...few.times)
        return `| ${work.name} | ${best(few)} | ${best(many)} | ${fixed(times, 1)} |`
      }),
      '',
    )
  if (plans) lines.push(...plansOf(plans, large))
  if (saver) lines.push(...saverOf(saver))
  return `${lines.map((line) => (line.startsWith('|') ? line : wrapped(line))).join('\n')}\n`
}

const timeOf = ({ perSecond }) => 1 / perSecond
const ratioOf = ({ samples: [few, many] }) => ratio(many, few, timeOf)

function rowOf(result) {
  const [few, many] = result.samples
  const each = many.map((sample, round) => timeOf(sample) / timeOf(few[round]))
  const of = (samples, key) => fixed(median(samples.map((sample) => sample[key])), 2)
  const isWrite = result.work.kind === 'write'
  const told = fixed(ratioOf(result), 2)
  return `| ${[
    result.work.name,
    isWrite ? `${told} (a write: no target)` : ratioOf(result) > LIST_TARGET ? `**${told}**` : told,
    `${fixed(Math.min(...each), 2)}–${fixed(Math.max(...each), 2)}`,
    of(few, 'p50'),
    of(many, 'p50'),
    of(few, 'p99'),
    of(many, 'p99'),
  ].join(' | ')} |`
}

function plansOf(plans) {
  const isCount = ({ kind }) => kind === 'count'
  const scanned = plans.filter((plan) => plan.scanned.length > 0)
  const wide = plans.filter(
    (plan) => !isCount(plan) && (plan.rows > MANY_ROWS || plan.ms > MANY_MS) && plan.kind !== 'prune',
  )
  const lines = [
    '## Plans on the large database',
    '',
    `EXPLAIN (ANALYZE) ran for every statement that Waymark sends for each lookup, list, count and filter above, for lists forward and backward, and for pruneSessions by each filter. For prepared statements it also ran for the plan that knows no values. ${plans.length} operations. A sequential scan of a table with more than 1,000 rows: ${scanned.length === 0 ? 'none' : `${scanned.filter((plan) => !isCount(plan)).length} operations that read lists, lookups or what to prune, and ${scanned.filter(isCount).length} that count`}.`,
    `Lists and lookups that read more than ${MANY_ROWS} rows, or take more than ${MANY_MS} ms: ${wide.length === 0 ? 'none' : wide.length}.`,
    '',
  ]
  const told = plans.filter((plan) => scanned.includes(plan) || wide.includes(plan) || plan.kind === 'prune')
  if (told.length > 0)
    lines.push(
      '| operation | sequential scan of | rows read | ms under EXPLAIN |',
      '| --- | --- | --- | --- |',
      ...told.map(
        ({ name, scanned: tables, rows, ms }) =>
          `| ${name} | ${tables.join(', ')} | ${rows.toLocaleString('en')} | ${fixed(ms, 1)} |`,
      ),
      '',
    )
  for (const { name, plan } of told.filter(({ kind }) => kind !== 'count')) process.stderr.write(`\n${name}\n${plan}\n`)
  return lines
}

function saverOf({ results, perSecond, connections, seconds }) {
  const [alone] = results
  return [
    '## Saves beside pruning',
    '',
    `${perSecond} saveCheckpoint a second at even distances over ${connections} connections, for random users, run for ${seconds} s alone, then during pruneSessions (one request after the other on the same server), then during a run of retention of history (two of three revisions of each checkpoint are deleted), in turn, ${alone.samples.length} rounds. The time of an answer counts from when its request was due. The target is a p99 of less than ${SAVER_TARGET} times.`,
    '',
    '| saver | p50 ms | p99 ms | max ms | p99 to alone | least and greatest | pruned a second |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...results.map((result) => {
      const of = (key) => fixed(median(result.samples.map((sample) => sample[key])), 1)
      const each = result.samples.map((sample, round) => sample.p99 / alone.samples[round].p99)
      const own =
        result === alone
          ? ['', '', '']
          : [
              fixed(median(each), 2),
              `${fixed(Math.min(...each), 2)} to ${fixed(Math.max(...each), 2)}`,
              Math.round(result.pruned / result.seconds).toLocaleString('en'),
            ]
      return `| ${[result.name, of('p50'), of('p99'), of('max'), ...own].join(' | ')} |`
    }),
    '',
  ]
}
