import { toTime } from './time-column.ts'

/**
 * The column of each field of an entity. A time and a bigint are named apart, since JSON has neither: the compiler
 * refuses a Date field whose column is not given as a time, and an entity with a field that has no column.
 */
export type ColumnsOf<Entity> = {
  readonly [Field in keyof Entity]-?: NonNullable<Entity[Field]> extends Date
    ? { readonly time: string }
    : NonNullable<Entity[Field]> extends bigint
      ? { readonly bigint: string }
      : string
}

/** A row of an entity's table as to_jsonb gives it, by the names of the columns. */
export interface JsonRow<Entity> {
  readonly [column: string]: unknown
  /** Never there: it keeps the row of one entity from being read as another. */
  readonly ' of'?: Entity
}

/** What statements and their rows need of an entity's columns. */
export interface EntityColumns<Entity> {
  /**
   * `s.session_id AS "sessionId", ...`: each row of a statement that selects this is an entity as it comes, because the
   * pool reads times as toTime does. To map 28 columns again took 2 µs a row.
   * @throws Error for an entity with a bigint, which the driver gives as text: read it by fromJson
   */
  selected(alias: string): string
  /** `s.session_id, ...`: for the inner part of a statement, so that the outer one can sort by the columns. */
  named(alias: string): string
  /** A row of to_jsonb, which may have more columns, as an entity. */
  fromJson(row: JsonRow<Entity>): Entity
  /** Some of the fields. */
  pick<Field extends keyof Entity & string>(...fields: readonly Field[]): EntityColumns<Pick<Entity, Field>>
}

interface FieldColumn {
  readonly field: string
  readonly column: string
  /** From what JSON has; undefined: as it is. */
  readonly read: ((value: never) => unknown) | undefined
}

/** One map from field to column, from which SELECT lists, the types of rows and the reading of JSON follow. */
export function mapColumns<Entity extends object>(columns: ColumnsOf<Entity>): EntityColumns<Entity> {
  return columnsFrom(
    Object.entries<string | { readonly time: string } | { readonly bigint: string }>(columns).map(([field, column]) => {
      if (typeof column === 'string') return { field, column, read: undefined }
      return 'time' in column
        ? { field, column: column.time, read: toTime }
        : { field, column: column.bigint, read: BigInt as (value: number) => bigint }
    }),
  )
}

function columnsFrom<Entity>(columns: readonly FieldColumn[]): EntityColumns<Entity> {
  return {
    selected(alias) {
      const odd = columns.find(({ read }) => read !== undefined && read !== toTime)
      if (odd) throw new Error(`${odd.column} is a bigint, which the driver gives as text: read it by fromJson`)
      return columns.map(({ field, column }) => `${alias}.${column} AS "${field}"`).join(', ')
    },
    named: (alias) => columns.map(({ column }) => `${alias}.${column}`).join(', '),
    fromJson(row) {
      const entity: Record<string, unknown> = {}
      for (const { field, column, read } of columns) {
        const value = row[column] ?? null
        entity[field] = read === undefined || value === null ? value : read(value as never)
      }
      // The columns are all that the entity has (ColumnsOf), and their values what PostgreSQL's types promise.
      return entity as Entity
    },
    pick: (...fields) => columnsFrom(columns.filter(({ field }) => fields.some((wanted) => wanted === field))),
  }
}
