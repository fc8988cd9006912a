// The floors that no server can beat: the same statements by pgbench, and sets over one connection.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './processes.mjs'
import { BULK, CHECKPOINT, SAVE, SESSION, SESSIONS, USER } from './statements.mjs'
import { SESSIONS_PER_USER, STREAM, workNamed } from './works.mjs'

const user = `'user-' || lpad((:n)::text, 7, '0')`
const inline = (statement, ...values) =>
  values.reduce((text, value, place) => text.replaceAll(`$${place + 1}`, value), statement) + ';'

/** With pgbench's random numbers in place of $1. It prepares the statements. */
const scripts = (users) => {
  const anyUser = `\\set n random(1, ${users})\n`
  const session = `\\set k random(10, ${9 + SESSIONS_PER_USER})\n`
  const save = anyUser + inline(SAVE, user, `'${STREAM}'`, `'18' || lpad((:n)::text, 17, '0')`, ':n')
  return {
    checkpoint: anyUser + inline(CHECKPOINT, user, `'${STREAM}'`),
    session: anyUser + session + inline(SESSION, `${user} || '-' || (:k)::text`),
    sessions: `${anyUser}${inline(USER, user)}\n${inline(SESSIONS, user, '20')}`,
    save,
  }
}

/**
 * @returns {Promise<string | undefined>} pgbench's version; undefined: it is not installed (it comes with PostgreSQL,
 * not with Waymark)
 */
export const pgbenchVersion = () =>
  run('pgbench', ['--version']).then(
    (text) => text.trim(),
    () => undefined,
  )

/** Transactions per second over the work's connections. */
export async function pgbench(databaseUrl, { work, users, requests }) {
  const { name, connections } = work
  const script = scripts(users)[name]
  if (script === undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'waymark-pgbench-'))
  try {
    const file = join(folder, 'script.sql')
    await writeFile(file, `${script}\n`)
    const said = await run('pgbench', [
      '-n',
      '-M',
      'prepared',
      '-c',
      String(connections),
      '-j',
      '1',
      '-t',
      String(Math.ceil(requests / connections)),
      '-f',
      file,
      databaseUrl,
    ])
    return Number(/tps = ([\d.]+)/.exec(said)?.[1])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Checkpoints per second over one connection that sends sets of 1,000, each in one statement, one after the other. */
export async function bulkFloor(client, { users, requests, firstCount }) {
  const { variables } = workNamed('bulk')
  const since = performance.now()
  for (let set = 0; set < requests; set += 1) {
    const { inputs } = variables(set, firstCount + set, users)
    const { stream, itemId, bookmarksCount } = inputs[0]
    await client.query({
      name: 'bulk',
      text: BULK,
      values: [inputs.map(({ userId }) => userId), stream, itemId, bookmarksCount],
    })
  }
  return (requests * 1_000) / ((performance.now() - since) / 1_000)
}
