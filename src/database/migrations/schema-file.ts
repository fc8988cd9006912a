import { join } from 'node:path'
import { packageRoot } from '../../package-root.ts'
import type { SchemaObject } from './catalog.ts'
import { readSql } from './migration-files.ts'

/** prisma/schema.sql of this package: the schema of an empty database after it was migrated. */
export const schemaFile = join(packageRoot, 'prisma/schema.sql')

const HEADER = `-- An empty database once it is migrated, as PostgreSQL 15 to 18 describe it. Printed by "npm run schema:sql"; don't edit.
-- Not in it: public."user", which is somebody else's, and the partitions of feed_event and idempotency_key, which come and go.`

/** Reads prisma/schema.sql. @throws StartupError if the file is missing */
export async function readExpectedSchema(): Promise<readonly SchemaObject[]> {
  return parseSchema(await readSql(schemaFile))
}

/** Prints objects as SQL, in the given order; each table has its columns. parseSchema reads it back. */
export function printSchema(objects: readonly SchemaObject[]): string {
  const statements = objects
    .filter(({ kind }) => kind !== 'column')
    .map((object) => {
      const columns = objects.filter(({ kind, table }) => kind === 'column' && table === object.name)
      return print(object, columns)
    })
  return `${[HEADER, ...statements].join('\n\n')}\n`
}

/** One object as it is in the file; a column as a line of its table. */
export function statementOf(object: SchemaObject): string {
  return object.kind === 'column' ? `  ${object.name}${spaced(object.definition)}` : print(object, [])
}

function print({ kind, table, name, definition }: SchemaObject, columns: readonly SchemaObject[]): string {
  switch (kind) {
    case 'table': {
      const [, parent = '', rest = definition] = /^(PARTITION OF \S+) (.*)$/.exec(definition) ?? []
      const lines = columns.map(statementOf).join(',\n')
      return `CREATE TABLE ${name}${spaced(parent)} (\n${lines}\n)${spaced(rest)};`
    }
    case 'constraint':
      return `ALTER TABLE ${table ?? ''} ADD CONSTRAINT ${name} ${definition};`
    case 'setting':
      return `ALTER TABLE ${table ?? ''} ${definition};`
    case 'sequence':
      return `CREATE SEQUENCE ${name} ${definition};`
    case 'function':
      return `-- ${name}\n${definition};`
    case 'column':
    case 'index':
    case 'trigger':
    case 'privilege':
      return `${definition};`
  }
}

function spaced(text: string): string {
  return text === '' ? '' : ` ${text}`
}

/** Each statement begins after an empty line. Nothing in a function's body begins so at the left edge. */
const STATEMENT =
  /\n\n(?=CREATE (?:TABLE|SEQUENCE|(?:UNIQUE )?INDEX|(?:CONSTRAINT )?TRIGGER) |ALTER TABLE |REVOKE |-- crawler\.)/

/** Reads what printSchema printed. @throws Error for anything else */
export function parseSchema(text: string): SchemaObject[] {
  return text.trimEnd().split(STATEMENT).slice(1).flatMap(parse)
}

const PATTERNS: readonly [RegExp, (found: readonly string[]) => SchemaObject[]][] = [
  [
    /^CREATE TABLE (\S+)(?: (PARTITION OF \S+))? \(\n([\s\S]*?)\n\)(?: ([\s\S]*))?$/,
    ([name = '', parent, columns = '', rest]) => [
      { kind: 'table', table: name, name, definition: [parent, rest].filter((part) => part !== undefined).join(' ') },
      ...columns
        .split(',\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [, column = '', definition = ''] = /^ {2}(\S+) ?([\s\S]*)$/.exec(line) ?? []
          return { kind: 'column' as const, table: name, name: column, definition }
        }),
    ],
  ],
  [
    /^ALTER TABLE (\S+) ADD CONSTRAINT (\S+) ([\s\S]+)$/,
    ([table = '', name = '', definition = '']) => [{ kind: 'constraint', table, name, definition }],
  ],
  [
    /^ALTER TABLE (\S+) (SET \((\S+?)=.*\)|REPLICA IDENTITY .*)$/,
    ([table = '', definition = '', name = 'replica identity']) => [{ kind: 'setting', table, name, definition }],
  ],
  [
    /^(CREATE (?:UNIQUE )?INDEX (\S+) ON (?:ONLY )?(\S+) [\s\S]+)$/,
    ([definition = '', name = '', table = '']) => [{ kind: 'index', table, name: `crawler.${name}`, definition }],
  ],
  [
    /^(CREATE (?:CONSTRAINT )?TRIGGER (\S+) [\s\S]*? ON (\S+) [\s\S]+)$/,
    ([definition = '', name = '', table = '']) => [{ kind: 'trigger', table, name, definition }],
  ],
  [
    /^CREATE SEQUENCE (\S+) ([\s\S]+)$/,
    ([name = '', definition = '']) => [{ kind: 'sequence', table: null, name, definition }],
  ],
  [
    /^-- (crawler\.[^\n]+)\n([\s\S]+)$/,
    ([name = '', definition = '']) => [{ kind: 'function', table: null, name, definition }],
  ],
  [
    /^(REVOKE EXECUTE ON FUNCTION (.+) FROM PUBLIC)$/,
    ([definition = '', name = '']) => [{ kind: 'privilege', table: null, name, definition }],
  ],
]

function parse(statement: string): SchemaObject[] {
  const text = statement.replace(/;$/, '')
  for (const [pattern, read] of PATTERNS) {
    const found = pattern.exec(text)
    // A group that did not match is undefined, so the reader uses its default.
    if (found) return read(found.slice(1))
  }
  throw new Error(`prisma/schema.sql has a statement that nothing prints: ${text.slice(0, 80)}`)
}
