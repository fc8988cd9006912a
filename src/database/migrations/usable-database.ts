import type pg from 'pg'
import { StartupError } from '../../errors/startup-error.ts'

const LEAST_MAJOR = 15

/** What decides whether Waymark can use a database at all. */
export interface DatabaseKind {
  /** E.g. 150020. */
  readonly versionNumber: number
  readonly version: string
  readonly encoding: string
  readonly name: string
}

/** Reads the kind of the database. @throws StartupError unless Waymark can use it */
export async function requireUsable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<DatabaseKind>(
    `SELECT current_setting('server_version_num')::integer AS "versionNumber", current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding, current_database() AS name`,
  )
  const problem = rows[0] && problemOf(rows[0])
  if (problem !== undefined) throw new StartupError(problem)
}

/** @returns one line that says what to do; undefined: Waymark can use it */
export function problemOf({ versionNumber, version, encoding, name }: DatabaseKind): string | undefined {
  if (versionNumber < LEAST_MAJOR * 10_000) {
    return `Database ${name} is on PostgreSQL ${version}, and Waymark needs ${LEAST_MAJOR} or newer: upgrade it, or name another in DATABASE_URL (docs/database.md).`
  }
  if (encoding === 'UTF8') return undefined
  return (
    `Database ${name} has the encoding ${encoding}, which cannot hold every text, and Waymark needs UTF8: make one by ` +
    `CREATE DATABASE <name> ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0, and move the data by pg_dump (docs/troubleshooting.md).`
  )
}
