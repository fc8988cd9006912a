import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  buildSchema,
  type DocumentNode,
  execute,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionNode,
  validate,
  visit,
} from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import { schema } from '../../src/api/schema.ts'
import { bySelectedNames } from '../../src/graphql/selected-names.ts'
import { isCompilable } from '../../src/operations/compiled/compilable.ts'
import { createCompiledExecution } from '../../src/operations/compiled/compiled-execution.ts'
import { PAGE_SIZES } from '../../src/graphql/paging.ts'
import { objectsOf } from '../../src/limits/cost-limit.ts'
import { depthOf } from '../../src/limits/depth.ts'
import { findDocumentExcess } from '../../src/limits/document-limits.ts'
import { asksForSchema } from '../../src/limits/introspection.ts'
import { countOccurrences } from '../../src/limits/occurrences.ts'
import { countRootFields } from '../../src/limits/root-fields.ts'
import { rootFieldNames } from '../../src/operations/exchange/root-field-names.ts'
import { createSharedSubscribe } from '../../src/operations/streams/shared-results.ts'
import { findConditionalRoots } from '../../src/operations/documents/subscription-root.ts'
import { ENDLESS, LONG } from '../support/hostile-documents.ts'

interface Walked {
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
}

/** Looks at a document that may not be valid. */
const looks: Readonly<Record<string, (walked: Walked) => unknown>> = {
  'limits/depth.ts': ({ document }) => depthOf(document),
  'limits/occurrences.ts': ({ document }) => countOccurrences(document),
  'limits/root-fields.ts': ({ document }) => countRootFields(document),
  'limits/introspection.ts': ({ document }) => asksForSchema(document),
  'limits/document-limits.ts': ({ document }) => findDocumentExcess(document, { introspection: true }),
  'operations/documents/subscription-root.ts': ({ document }) => findConditionalRoots(document),
  'operations/exchange/root-field-names.ts': ({ document, operation }) => rootFieldNames(document, operation),
  'operations/compiled/compilable.ts': ({ document, operation }) => isCompilable(document, operation),
  'graphql/selected-names.ts': ({ document, operation }) => selectedNames(document, operation),
}

/** Works on a valid document. */
const works: Readonly<Record<string, (walked: Walked) => unknown>> = {
  'limits/cost.ts': ({ document, operation }) => objectsOf(schema, document, operation, {}, PAGE_SIZES),
  'operations/compiled/compiled-execution.ts': ({ document }) =>
    createCompiledExecution(schema, { runsBefore: 0 })({ schema, document }),
  'graphql-js: execute': ({ document }) => execute({ schema, document }),
}

/** The walk of the others, and one that the last test here is about. */
const OTHERS = ['graphql/selections.ts', 'operations/streams/shared-results.ts']

function selectedNames(document: DocumentNode, operation: OperationDefinitionNode): string[] {
  const fragments = Object.fromEntries(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  )
  const field = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: 'root' }, selectionSet: operation.selectionSet }
  const judge = bySelectedNames(new Set(), (names) => [...names])
  return judge({ fieldNodes: [field as never], fragments })
}

class WalkedTooOften extends Error {}

/**
 * A document whose sets of selections count how often they are looked at, and throw where that is more often than a hundred times each:
 * on average, since some walks go through a document once for each of its operations, or for each pair of its fragments.
 */
function counted(text: string): Walked {
  const document = parse(text, { maxTokens: 2_000 })
  let sets = 0
  let looks = 0
  visit(document, {
    SelectionSet(set) {
      sets += 1
      const { selections } = set
      Object.defineProperty(set, 'selections', {
        get(): readonly SelectionNode[] {
          looks += 1
          if (looks > 100 * sets) throw new WalkedTooOften(`${looks} looks at ${sets} sets of selections`)
          return selections
        },
      })
    },
  })
  const operation = document.definitions.find((node) => node.kind === Kind.OPERATION_DEFINITION)
  if (!operation) throw new Error('no operation')
  looks = 0
  return { document, operation }
}

const isValid = (text: string) => validate(schema, parse(text)).length === 0
const endless = Object.entries(ENDLESS)
const documents = [...endless, ...Object.entries(LONG)]

describe.each(Object.entries(looks))('%s looks at each fragment a bounded number of times', (_, look) => {
  it.each(documents)('of %s', (__, text) => {
    look(counted(text))
  })
})

describe.each(Object.entries(works))('%s looks at each fragment a bounded number of times', (_, work) => {
  it.each(endless)('of %s', async (__, text) => {
    expect(isValid(text)).toBe(true)
    await work(counted(text))
  })
})

describe('each rule of validation looks at each fragment a bounded number of times', () => {
  it.each(endless)('of %s', (_, text) => {
    expect(validate(schema, counted(text).document)).toEqual([])
  })
})

it('counts walks, which stop: a walk without a memory does not get through', () => {
  const [text = ''] = Object.values(ENDLESS)
  const { document, operation } = counted(text)
  const fragments = new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  )
  const walk = (selections: readonly SelectionNode[]): void => {
    for (const node of selections) {
      if (node.kind === Kind.FRAGMENT_SPREAD) walk(fragments.get(node.name.value)?.selectionSet.selections ?? [])
    }
  }
  expect(() => {
    walk(operation.selectionSet.selections)
  }).toThrow(WalkedTooOften)
})

it('operations/streams/shared-results.ts looks at each fragment a bounded number of times', async () => {
  const { document } = counted(ENDLESS['the same in a subscription'] ?? '')
  const feed = (async function* () {
    yield await Promise.resolve({ event: 1 })
  })()
  const subscribed = buildSchema(
    'type Query { a: Int } type Subscription { sessionStatusChanged: Event } type Event { kind: Int }',
  )
  const root = { sessionStatusChanged: () => feed }
  const stream = await createSharedSubscribe()({ schema: subscribed, document, rootValue: root }, 'all')
  if (!isAsyncIterable(stream)) throw new Error('no stream')
  expect(await stream.next()).toMatchObject({ done: false, value: { data: { sessionStatusChanged: null } } })
})

it('has every walk over documents that src has', () => {
  const src = fileURLToPath(new URL('../../src/', import.meta.url))
  const walking = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.includes('generated/'))
    .filter((file) =>
      /selectionSet|SelectionSet|FRAGMENT_SPREAD|FragmentSpread|\bvisit\(|eachField/.test(
        readFileSync(src + file, 'utf8'),
      ),
    )
  expect(walking.filter((file) => !(file in looks) && !(file in works) && !OTHERS.includes(file))).toEqual([])
})
