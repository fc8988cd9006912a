import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import type { CopiedTable } from './copied-tables.ts'
import { noteProgress, type Progress } from './target.ts'

/** How many rows one transaction of the target takes: what a kill can undo. About a second. */
const ROWS_PER_PIECE = 50_000

/** What is compared once a table is copied. */
export interface Contents {
  readonly rows: number
  /** The same for the same rows, in any order. */
  readonly checksum: string
}

/**
 * Copies the rest of a table, piece by piece. Each piece is one COPY and one transaction of the target.
 * @param rowsPerPiece how many rows that may be; for tests
 * @param onPiece called with the number of rows of each piece
 */
export async function copyTable(
  source: pg.Client,
  target: pg.Client,
  table: CopiedTable & { readonly columns: readonly string[] },
  progress: Progress,
  onPiece: (rows: number) => void,
  rowsPerPiece = ROWS_PER_PIECE,
): Promise<void> {
  let { lastKey, isDone } = progress
  while (!isDone) {
    const piece = await findPiece(source, table, lastKey, rowsPerPiece)
    isDone = piece.rows < rowsPerPiece
    lastKey = piece.lastKey ?? lastKey
    await target.query('BEGIN')
    const rows = piece.rows === 0 ? 0 : await copyPiece(source, target, table, piece.condition)
    await noteProgress(target, table, { lastKey, isDone })
    await target.query('COMMIT')
    if (rows > 0) onPiece(rows)
  }
}

interface Piece {
  readonly rows: number
  readonly lastKey: readonly string[] | undefined
  /** SQL that holds for its rows. */
  readonly condition: string
}

async function findPiece(
  source: pg.Client,
  { name, key }: CopiedTable,
  after: readonly string[] | undefined,
  rowsPerPiece: number,
): Promise<Piece> {
  const columns = key.join(', ')
  const beyond = after === undefined ? 'true' : `(${columns}) > (${literals(after)})`
  const keys = `SELECT ${columns}, row_number() OVER (ORDER BY ${columns}) AS place FROM ${name} WHERE ${beyond}
    ORDER BY ${columns} LIMIT ${rowsPerPiece}`
  const { rows } = await source.query<{ place: string; key: string[] }>(
    `SELECT place, ARRAY[${key.map((column) => `${column}::text`).join(', ')}] AS key FROM (${keys}) AS piece ORDER BY place DESC LIMIT 1`,
  )
  const [last] = rows
  if (!last) return { rows: 0, lastKey: undefined, condition: 'false' }
  return {
    rows: Number(last.place),
    lastKey: last.key,
    condition: `${beyond} AND (${columns}) <= (${literals(last.key)})`,
  }
}

const literals = (texts: readonly string[]) => texts.map((text) => pg.escapeLiteral(text)).join(', ')

async function copyPiece(
  source: pg.Client,
  target: pg.Client,
  { name, key, columns, isSingleRow }: CopiedTable & { readonly columns: readonly string[] },
  condition: string,
): Promise<number> {
  const list = columns.join(', ')
  const reading = source.query(
    copyTo(`COPY (SELECT ${list} FROM ${name} WHERE ${condition} ORDER BY ${key.join(', ')}) TO STDOUT`),
  )
  if (name === 'public."user"') return copyUsers(target, reading)
  if (isSingleRow) await target.query(`DELETE FROM ${name}`)
  // The triggers would write each row into the history and the feeds once more. Foreign keys stay in force.
  await target.query(`ALTER TABLE ${name} DISABLE TRIGGER USER`)
  const writing = target.query(copyFrom(`COPY ${name} (${list}) FROM STDIN`))
  await pipeline(reading, writing)
  await target.query(`ALTER TABLE ${name} ENABLE TRIGGER USER`)
  return writing.rowCount
}

/** Users that are there already stay as they are. */
async function copyUsers(target: pg.Client, reading: NodeJS.ReadableStream): Promise<number> {
  await target.query('CREATE TEMPORARY TABLE copied_user (id TEXT) ON COMMIT DROP')
  const writing = target.query(copyFrom('COPY copied_user FROM STDIN'))
  await pipeline(reading, writing)
  await target.query(
    `INSERT INTO public."user" (id) SELECT id FROM copied_user AS c
     WHERE NOT EXISTS (SELECT FROM public."user" AS u WHERE u.id = c.id)`,
  )
  return writing.rowCount
}

/** Reads the whole table: how many rows it has, and their checksum. */
export async function readContents(
  client: pg.Client,
  { name, columns }: CopiedTable & { readonly columns: readonly string[] },
): Promise<Contents> {
  const { rows } = await client.query<{ rows: string; checksum: string }>(
    `SELECT count(*) AS rows, coalesce(sum(hashtextextended(ROW(${columns.join(', ')})::text, 0)::numeric), 0)::text AS checksum
     FROM ${name}`,
  )
  return { rows: Number(rows[0]?.rows), checksum: rows[0]?.checksum ?? '' }
}
