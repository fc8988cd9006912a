import { structuredPatch } from 'diff'
import type { FoundObject, SchemaObject } from './catalog.ts'
import { statementOf } from './schema-file.ts'

/** How many unchanged lines the diff shows before and after a change. */
const CONTEXT_LINES = 3

/** An object that a database lacks or has differently. */
export interface SchemaDifference {
  /** One sentence with the remedy. */
  readonly sentence: string
  /** In the form of a unified diff: "-" is expected, "+" was found. */
  readonly hunk: readonly string[]
}

export interface SchemaComparison {
  readonly differences: readonly SchemaDifference[]
  /** What works but is worth knowing: foreign objects, a wider type. */
  readonly notes: readonly string[]
}

/**
 * Compares a database with the expected schema.
 * @param missingRemedy what to do about a missing object. Default: the SQL that makes it
 */
export function compareSchemas(
  expected: readonly SchemaObject[],
  found: readonly FoundObject[],
  missingRemedy?: string,
): SchemaComparison {
  const differences: SchemaDifference[] = []
  const notes: string[] = []
  const matched = new Set<FoundObject>()
  const tables = tableNames(found)
  for (const object of expected) {
    // A missing table is one difference, not one for each of its columns.
    if (object.kind !== 'table' && object.table !== null && !tables.has(object.table)) continue
    const counterpart = counterpartOf(object, found, matched)
    if (counterpart) matched.add(counterpart)
    const finding = judge(object, counterpart, missingRemedy)
    if (finding === undefined) continue
    if (finding.isNote) notes.push(finding.sentence)
    else differences.push({ sentence: finding.sentence, hunk: hunkOf(object, counterpart) })
  }
  const expectedTables = tableNames(expected)
  for (const object of found) {
    if (matched.has(object) || object.kind === 'setting' || object.kind === 'privilege') continue
    // A foreign table is one note, not one for each of its columns.
    if (object.kind !== 'table' && object.table !== null && !expectedTables.has(object.table)) continue
    notes.push(`${describe(object)} is not Waymark's.`)
  }
  return { differences, notes }
}

function tableNames(objects: readonly SchemaObject[]): Set<string> {
  return new Set(objects.filter(({ kind }) => kind === 'table').map(({ name }) => name))
}

/**
 * The object in the database that corresponds to an expected one. An adopted table may have the same key or check under
 * another name, which counts.
 */
function counterpartOf(
  object: SchemaObject,
  found: readonly FoundObject[],
  matched: ReadonlySet<FoundObject>,
): FoundObject | undefined {
  const candidates = found.filter(
    (other) => other.kind === object.kind && other.table === object.table && !matched.has(other),
  )
  const named = candidates.find(({ name }) => name === object.name)
  if (named?.definition === object.definition || object.kind !== 'constraint') return named
  return candidates.find(({ definition }) => definition === object.definition)
}

function judge(
  object: SchemaObject,
  counterpart: FoundObject | undefined,
  missingRemedy: string | undefined,
): { readonly sentence: string; readonly isNote: boolean } | undefined {
  const label = describe(object)
  if (object.kind === 'setting') {
    if (counterpart?.definition === object.definition) return undefined
    return { sentence: `${label} is not ${object.definition}.`, isNote: true }
  }
  if (!counterpart) return { sentence: `${label} is missing: ${missingRemedy ?? creation(object)}.`, isNote: false }
  if (counterpart.definition !== object.definition) {
    if (isWider(object, counterpart)) {
      return { sentence: `${label} is "${counterpart.definition}", which holds more.`, isNote: true }
    }
    const seen = object.kind === 'function' ? '' : `: "${counterpart.definition}" instead of "${object.definition}"`
    return { sentence: `${label} is different${seen}: ${change(object, counterpart)}.`, isNote: false }
  }
  if (counterpart.inForce) return undefined
  // Such a constraint still applies to new rows.
  const isNote = object.definition.startsWith('CHECK')
  return { sentence: `${label} is ${notInForce(object, counterpart)}.`, isNote }
}

/** Whether a column is a text without a limit where a limit is expected. */
function isWider(expected: SchemaObject, found: SchemaObject): boolean {
  if (expected.kind !== 'column') return false
  const unbound = (definition: string) => definition.replace(/^character varying(\(\d+\))?/, 'text')
  return (
    /^(text|character varying)(?! ?\()/.test(found.definition) &&
    unbound(found.definition).replaceAll('::character varying', '::text') ===
      unbound(expected.definition).replaceAll('::character varying', '::text')
  )
}

function hunkOf(object: SchemaObject, counterpart: FoundObject | undefined): string[] {
  const before = statementOf(object)
  const lines = counterpart
    ? changedLines(before, statementOf({ ...counterpart, name: object.name }))
    : before.split('\n').map((line) => `-${line}`)
  return [`@@ ${describe(object)} @@`, ...lines]
}

/** The lines that differ, with the lines around them; " ..." where lines between two changes are left out. */
function changedLines(before: string, after: string): string[] {
  // A text that ends in a line break gets no mark "No newline at end of file".
  const { hunks } = structuredPatch('', '', `${before}\n`, `${after}\n`, '', '', { context: CONTEXT_LINES })
  return hunks.flatMap(({ lines }, place) => (place === 0 ? lines : [' ...', ...lines]))
}

function describe({ kind, table, name, definition }: SchemaObject): string {
  switch (kind) {
    case 'constraint':
      return `Constraint ${definition} of ${table ?? ''}`
    case 'privilege':
      return `The statement ${definition}`
    case 'table':
    case 'function':
    case 'sequence':
      return `${capitalized(kind)} ${name}`
    case 'column':
    case 'index':
    case 'trigger':
    case 'setting':
      return `${capitalized(kind)} ${name} of ${table ?? ''}`
  }
}

function capitalized(word: string): string {
  return `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}`
}

const repair = 'run repair (docs/database.md, Repair)'

function creation({ kind, table, name, definition }: SchemaObject): string {
  switch (kind) {
    case 'table':
    case 'function':
    case 'setting':
      return repair
    case 'sequence':
      return `CREATE SEQUENCE ${name} ${definition}`
    case 'privilege':
      return definition
    case 'column':
      // For a partition the definition is only a default: the column comes from the parent.
      return `ALTER TABLE ${table ?? ''} ADD COLUMN ${name} ${definition}`
    case 'constraint':
      return `ALTER TABLE ${table ?? ''} ADD CONSTRAINT ${name} ${definition}`
    case 'index':
    case 'trigger':
      return definition
  }
}

function change(expected: SchemaObject, found: SchemaObject): string {
  const table = expected.table ?? ''
  switch (expected.kind) {
    case 'table':
    case 'function':
    case 'constraint':
    case 'setting':
    case 'sequence':
    case 'privilege':
      return repair
    case 'index':
      return `DROP INDEX ${expected.name}; ${expected.definition}`
    case 'trigger':
      return `DROP TRIGGER ${expected.name} ON ${table}; ${expected.definition}`
    case 'column': {
      const [wanted, given] = [columnParts(expected.definition), columnParts(found.definition)]
      const steps = [
        wanted.type === given.type ? [] : [`TYPE ${wanted.type}`],
        wanted.required === given.required ? [] : [wanted.required ? 'SET NOT NULL' : 'DROP NOT NULL'],
        wanted.initial === given.initial ? [] : [wanted.initial ? `SET ${wanted.initial}` : 'DROP DEFAULT'],
      ].flat()
      return `ALTER TABLE ${table} ${steps.map((step) => `ALTER COLUMN ${expected.name} ${step}`).join(', ')}`
    }
  }
}

function columnParts(definition: string): { type: string; required: boolean; initial: string | undefined } {
  const initial = /DEFAULT .*$/s.exec(definition)?.[0]
  const rest = initial ? definition.slice(0, -initial.length) : definition
  return { type: rest.replace('NOT NULL', '').trim(), required: rest.includes('NOT NULL'), initial }
}

function notInForce(expected: SchemaObject, found: FoundObject): string {
  const table = expected.table ?? ''
  if (expected.kind === 'trigger') return `disabled: ALTER TABLE ${table} ENABLE TRIGGER ${found.name}`
  if (expected.kind === 'index') return `invalid: REINDEX INDEX ${found.name}`
  return `not valid for all rows: mend those that it refuses, then ALTER TABLE ${table} VALIDATE CONSTRAINT ${found.name}`
}
