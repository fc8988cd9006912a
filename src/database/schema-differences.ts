import type { FoundObject, SchemaObject } from './catalog.ts'

/**
 * Names what of `expected` is missing from `found` or different in it.
 * @param missingRemedy what to do about a missing object; by default the SQL that makes it
 */
export function schemaDifferences(
  expected: readonly SchemaObject[],
  found: readonly FoundObject[],
  missingRemedy?: string,
): string[] {
  const tables = new Set(found.filter(({ kind }) => kind === 'table').map(({ name }) => name))
  return expected.flatMap((object) => {
    // A missing table is one difference, not one for each of its columns.
    if (object.kind !== 'table' && object.table !== null && !tables.has(object.table)) return []
    const candidates = found.filter(({ kind, table }) => kind === object.kind && table === object.table)
    const counterpart =
      candidates.find(({ definition, name }) => definition === object.definition && sameName(object, name)) ??
      (object.kind === 'constraint' ? undefined : candidates.find(({ name }) => name === object.name))
    const label = describe(object)
    if (!counterpart) return [`${label} is missing: ${missingRemedy ?? creation(object)}.`]
    if (counterpart.definition !== object.definition) {
      const seen = object.kind === 'function' ? '' : `: "${counterpart.definition}" instead of "${object.definition}"`
      return [`${label} is different${seen}: ${change(object, counterpart)}.`]
    }
    if (!counterpart.inForce) return [`${label} is ${notInForce(object, counterpart)}.`]
    return []
  })
}

/** An adopted table has the same key or check under a name of its own, which is as good. */
function sameName(object: SchemaObject, name: string): boolean {
  return object.kind === 'constraint' || object.name === name
}

function describe({ kind, table, name, definition }: SchemaObject): string {
  switch (kind) {
    case 'table':
      return `Table ${name}`
    case 'function':
      return `Function ${name}`
    case 'constraint':
      return `Constraint ${definition} of ${table ?? ''}`
    case 'column':
    case 'index':
    case 'trigger':
      return `${kind[0]?.toUpperCase() ?? ''}${kind.slice(1)} ${name} of ${table ?? ''}`
  }
}

const repair = 'apply the migrations once more (docs/database.md, Repair)'

function creation({ kind, table, name, definition }: SchemaObject): string {
  switch (kind) {
    case 'table':
    case 'function':
      return repair
    case 'column':
      // Of a partition the definition is only a default: the column comes from the parent.
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
