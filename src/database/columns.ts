import { toTime } from './time-column.ts'

/**
 * The column of each field of an entity. Times and bigints are marked, since JSON has neither. The compiler rejects a
 * Date field whose column is not marked as a time, and an entity with a field that has no column.
 */
export type ColumnsOf<Entity> = {
  readonly [Field in keyof Entity]-?: NonNullable<Entity[Field]> extends Date
    ? { readonly time: string }
    : NonNullable<Entity[Field]> extends bigint
      ? { readonly bigint: string }
      : string
}

/** A row of an entity's table as to_jsonb returns it, by the names of the columns. */
export interface JsonRow<Entity> {
  readonly [column: string]: unknown
  /** Never present. It keeps the row of one entity from being read as another entity's. */
  readonly ' of'?: Entity
}

/** What statements need of an entity's columns. */
export interface EntityColumns<Entity> {
  /**
   * `s.session_id AS "sessionId", ...`. Each row of a statement that selects this is an entity without further mapping,
   * because the pool reads times as toTime does. To map 28 columns again took 2 µs a row.
   * @throws Error for an entity with a bigint, which the driver returns as text: read it with fromJson
   */
  selected(alias: string): string
  /** `s.session_id, ...`: for the inner part of a statement, so that the outer part can sort by the columns. */
  named(alias: string): string
  /** Turns a row of to_jsonb, which may have more columns, into an entity. */
  fromJson(row: JsonRow<Entity>): Entity
  /** The same for some of the fields. */
  pick<Field extends keyof Entity & string>(...fields: readonly Field[]): EntityColumns<Pick<Entity, Field>>
}

interface FieldColumn {
  readonly field: string
  readonly column: string
  /** Converts the value from JSON; undefined: the value is used as it is. */
  readonly read: ((value: never) => unknown) | undefined
}

/**
 * Makes an entity's columns from one map of field to column. SELECT lists, row types and the reading of JSON follow
 * from it.
 */
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
      // ColumnsOf ensures that the columns are all of the entity's fields, and the table's types ensure the values.
      return entity as Entity
    },
    pick: (...fields) => columnsFrom(columns.filter(({ field }) => fields.some((wanted) => wanted === field))),
  }
}
