import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { expect, inject } from 'vitest'

export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  readonly name: string
  query<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>
}

/** A database of the test's own, dropped when disposed. By default migrated (cloned from the template); `empty` has no tables at all. */
export async function createTestDatabase(kind: 'migrated' | 'empty' = 'migrated'): Promise<TestDatabase> {
  const serverUrl = inject('serverUrl')
  const template = inject('templateDatabase')
  const runId = template.slice('waymark_template_'.length)
  const name = `waymark_test_${runId}_${randomBytes(5).toString('hex')}`
  await createDatabase(serverUrl, name, kind === 'migrated' ? template : 'template0')
  const url = urlOfDatabase(serverUrl, name)
  return {
    url,
    name,
    query: <Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) =>
      withClient(url, async (client) => (await client.query<Row>(sql, values)).rows),
    [Symbol.asyncDispose]: () => dropDatabase(serverUrl, name),
  }
}

export async function withClient<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url })
  // A test may drop the database or stop the server under this connection; the query in flight reports it, this must not crash.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** Lets functions wait 30 s for a row, where a server gives them a second: a busy machine may need longer to see who waits for whom. */
export async function letWritersWait(database: TestDatabase): Promise<void> {
  await database.query(`DO $$ DECLARE writer regprocedure; BEGIN
    FOR writer IN SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
      WHERE p.pronamespace = 'crawler'::regnamespace AND l.lanname = 'plpgsql' LOOP
      EXECUTE format('ALTER FUNCTION %s SET lock_timeout = ''30s''', writer);
    END LOOP; END $$`)
}

/** Resolves once so many statements in the client's database wait for a lock that somebody holds, a server's reaper apart: it comes each second. */
export async function statementsWaitingForLocks(client: pg.Client, count: number): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
    AND query NOT LIKE '%crawler.reap%'`
  const look = async () => {
    // In a transaction the list of connections stays as it was first read, without those that were opened since.
    await client.query('SELECT pg_stat_clear_snapshot()')
    return (await client.query(waiting)).rowCount
  }
  await expect.poll(look, { timeout: 10_000 }).toBe(count)
}

export function urlOfDatabase(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.toString()
}

/** CREATE DATABASE from a template fails while anybody is connected to it or another clone runs: try again for a while. */
export async function createDatabase(serverUrl: string, name: string, template = 'template0'): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await withClient(serverUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`))
      return
    } catch (error) {
      const busy = error instanceof pg.DatabaseError && error.code === '55006'
      if (!busy || attempt === 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
}
