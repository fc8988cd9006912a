// Shows how PostgreSQL runs Waymark's statements. It takes the statements, with their values, from a Waymark in this
// process.
import { createRequire } from 'node:module'
import { pino } from 'pino'
import { bodyOf } from './works.mjs'

// The server's own pg, whose statements are recorded. A bare 'pg' is this folder's, a copy that the server does not
// use.
const pg = createRequire(new URL('../dist/app.js', import.meta.url))('pg')

/** Sequential scans of tables with more rows than this are reported. */
const FEW_ROWS = 1_000
/** More than one, because different values may have different plans. */
const TRIES = 2

/** @returns what the statements of each work read, forward and backward */
export async function explainAll(set, works, log) {
  const isExplained = ({ kind }) => kind === 'lookup' || kind === 'list' || kind === 'count'
  const asked = works.filter(isExplained).flatMap((work) => {
    // Reading backward uses another statement.
    const isList = /^sessions, |^checkpoints, /.test(work.name) && work.query.includes('first: 20') && !work.cursorsOf
    return isList
      ? [work, { ...work, name: `${work.name}, the last page`, query: work.query.replace('first: 20', 'last: 20') }]
      : [work]
  })
  return withWaymark(set, log, async (ask) => {
    const plans = []
    for (const work of asked) {
      const reads = []
      for (let turn = 0; turn < TRIES; turn += 1) {
        const user = Math.floor(Math.random() * set.size.crawledUsers)
        const statements = await ask(bodyOf(work, user, turn, set.size.crawledUsers, set.cursors))
        for (const statement of statements) reads.push(await readsOf(set.client, statement))
      }
      plans.push(planOf(work, reads))
    }
    return plans
  })
}

/** The same for pruneSessions by each filter: its first statement, which finds and deletes, is run and rolled back. */
export async function explainPruning(set, log) {
  const filters = {
    'no filter': '',
    userId: 'userId: "user-0000051"',
    'stream, 90 % of them': 'stream: "twitter/bookmarks"',
    'stream, 0.1 % of them': 'stream: "rare/list"',
    'status FAILED': 'status: [FAILED]',
    'userId, stream': 'userId: "user-0000051", stream: "twitter/bookmarks"',
  }
  return withWaymark(set, log, async (ask) => {
    const plans = []
    for (const [name, filter] of Object.entries(filters)) {
      for (const isDryRun of [false, true]) {
        // The time is before all sessions, so the request deletes nothing. What is explained has a later time.
        const input = `completedBefore: "2020-01-01T00:00:00Z", dryRun: ${isDryRun} ${filter && `, ${filter}`}`
        const [statement] = await ask(
          JSON.stringify({ query: `mutation { pruneSessions(input: { ${input} }) { __typename } }` }),
        )
        const values = statement.values.map((value) => (isTime(value) ? '2026-06-01T00:00:00Z' : value))
        await set.client.query('BEGIN')
        const reads = await readsOf(set.client, { ...statement, values })
        await set.client.query('ROLLBACK')
        plans.push(
          planOf(
            { name: `pruneSessions by ${name}${isDryRun ? ', dry run' : ''}`, kind: isDryRun ? 'count' : 'prune' },
            [reads],
          ),
        )
      }
    }
    return plans
  })
}

const isTime = (value) => value instanceof Date || (typeof value === 'string' && value.startsWith('2020-01-01'))

function planOf({ name, kind }, reads) {
  return {
    name,
    kind,
    scanned: [...new Set(reads.flatMap(({ scanned }) => scanned))],
    rows: Math.max(...reads.map(({ rows }) => rows)),
    ms: Math.max(...reads.map(({ ms }) => ms)),
    plan: reads.find(({ scanned }) => scanned.length > 0)?.plan ?? reads.toSorted((a, b) => b.rows - a.rows)[0]?.plan,
  }
}

/** @param run gets a function that sends a request and returns the statements that the server sent for it */
async function withWaymark({ databaseUrl }, _log, run) {
  const { startApp } = await import('../dist/app.js')
  const { readConfig } = await import('../dist/config.js')
  const settings = { PORT: '0', DATABASE_URL: databaseUrl, LOG_LEVEL: 'silent', HISTORY_RETENTION_DAYS: '36500' }
  const app = await startApp(
    readConfig({ ...settings, DATABASE_STATEMENT_TIMEOUT_MS: '60000' }),
    pino({ level: 'silent' }),
    {
      pruneEachMs: 3_600_000,
    },
  )
  const original = pg.Client.prototype.query
  let sent = []
  pg.Client.prototype.query = function (...args) {
    const [first] = args
    const statement = typeof first === 'string' ? { text: first, values: args[1] } : first
    // Without the statements of the server's background tasks.
    if (
      typeof statement?.text === 'string' &&
      !/feed_event|^LISTEN|crawler\.reap\(|^EXPLAIN|session_replication_role/.test(statement.text)
    )
      sent.push({
        name: statement.name,
        text: statement.text,
        values: Array.isArray(statement.values) ? statement.values : [],
      })
    return Reflect.apply(original, this, args)
  }
  try {
    return await run(async (body) => {
      sent = []
      const response = await fetch(app.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      const { errors } = await response.json()
      if (errors) throw new Error(`${body}: ${errors[0].message}`)
      if (sent.length === 0) throw new Error(`${body}: no statement was seen`)
      return sent
    })
  } finally {
    pg.Client.prototype.query = original
    await app.close()
  }
}

async function readsOf(client, { name, text, values }) {
  const { rows } = await client.query({ text: `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values })
  const [{ Plan: top, 'Execution Time': ms }] = rows[0]['QUERY PLAN']
  const tops = [top]
  if (name !== undefined) {
    // PostgreSQL may run a prepared statement by a generic plan, which knows no values.
    const generic = await client.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`)
    tops.push(generic.rows[0]['QUERY PLAN'][0].Plan)
  }
  const tables = await tableSizes(client)
  const scans = tops.map((plan) => nodesOf(plan).filter((node) => node['Relation Name'] !== undefined))
  const isScan = (node) => node['Node Type'] === 'Seq Scan' && (tables.get(node['Relation Name']) ?? 0) > FEW_ROWS
  return {
    scanned: scans.flatMap((nodes) => nodes.filter(isScan).map((node) => node['Relation Name'])),
    rows: Math.round(
      scans[0].reduce(
        (sum, node) => sum + (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
        0,
      ),
    ),
    ms,
    plan: `${text}\n${JSON.stringify(values)}\n${outline(tops.length > 1 && scans[0].every((node) => !isScan(node)) && scans[1].some(isScan) ? tops[1] : top)}`,
  }
}

let sizes
async function tableSizes(client) {
  if (!sizes) {
    const { rows } = await client.query(`SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'`)
    sizes = new Map(rows.map(({ relname, reltuples }) => [relname, reltuples]))
  }
  return sizes
}

function nodesOf(node) {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

function outline(node, depth = 0) {
  const {
    'Node Type': type,
    'Index Name': index,
    'Relation Name': table,
    'Actual Rows': rows,
    'Actual Loops': loops,
  } = node
  const condition = node['Index Cond'] ?? ''
  const filter = node.Filter ? ` filter ${node.Filter} (-${node['Rows Removed by Filter']})` : ''
  const line = `${'  '.repeat(depth)}${type} ${index ?? ''} ${table ?? ''} rows ${rows} x ${loops}, ${node['Actual Total Time']} ms ${condition}${filter}`
  return [line, ...(node.Plans ?? []).map((child) => outline(child, depth + 1))].join('\n')
}
