import { setTimeout as delay } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'
import { GraphQLError, parse, validate } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { MOST_DOCUMENT_BYTES } from '../../../src/operations/documents/document-cache.ts'
import { LONGEST_MESSAGE, MOST_ERRORS } from '../../../src/limits/error-limits.ts'
import { MOST_CHARACTERS } from '../../../src/limits/parse-tokens.ts'
import { ENDLESS, LARGE, LONG } from '../../support/hostile-documents.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { transports } from './transports.ts'

const ANSWERED_MS = 5_000

let waymark: TestWaymark
beforeAll(async () => {
  waymark = await startWaymark()
})
afterAll(() => waymark[Symbol.asyncDispose]())

describe.each(Object.entries(transports))('over %s', (_way, ask) => {
  const documents = Object.entries({ ...ENDLESS, ...LONG, ...LARGE })
  // A subscription is open for good.
  it.each(documents.filter(([, text]) => !text.startsWith('subscription')))(
    'is answered within 5 s, in little: %s',
    async (_, query) => {
      const sinceMs = performance.now()
      const { data, errors = [] } = await ask(waymark.url, query)
      expect(performance.now() - sinceMs).toBeLessThan(ANSWERED_MS)
      expect(errors.length).toBeLessThanOrEqual(MOST_ERRORS + 1)
      expect(errors.map(({ extensions }) => extensions['code'])).toEqual(errors.map(() => 'BAD_USER_INPUT'))
      expect(JSON.stringify({ data, errors }).length).toBeLessThan(MOST_ERRORS * (LONGEST_MESSAGE + 1_000))
    },
  )

  it('names the limit of what is longer than a document may be', async () => {
    const { errors } = await ask(waymark.url, `{ viewer { subject } }${' '.repeat(MOST_CHARACTERS)}`)
    expect(errors?.map(({ message }) => message)).toEqual([
      `This document has ${MOST_CHARACTERS + 22} characters, and ${MOST_CHARACTERS} is the most: send values as variables, and large documents as several operations.`,
    ])
  })

  it('tells the first 50 errors of a document, and that there are more', async () => {
    const fields = Array.from({ length: 60 }, (_, place) => `x${place}`)
    const { errors = [] } = await ask(waymark.url, `{ viewer { ${fields.join(' ')} } }`)
    expect(errors).toHaveLength(MOST_ERRORS + 1)
    expect(errors.at(-2)?.message).toContain('"x49"')
    expect(errors.at(-1)?.message).toMatch(/^Too many validation errors/)
  })

  it('tells the first 50 errors of an execution, and how many more there were', async () => {
    await waymark.ask('mutation { registerUser(input: {userId: "a"}) { __typename } }')
    const wrong = Array.from({ length: 25 }, (_, place) => `c${place}: checkpoint(stream: "") { id }`)
    const users = ['u', 'v', 'w'].map((alias) => `${alias}: user(userId: "a") { ...F }`)
    const query = `{ ${users.join(' ')} } fragment F on User { ${wrong.join(' ')} }`
    const { errors = [] } = await ask(waymark.url, query)
    expect(errors).toHaveLength(MOST_ERRORS + 1)
    expect(errors.at(-1)).toMatchObject({
      message: `25 more errors are left out: an answer has at most ${MOST_ERRORS}.`,
      extensions: { code: 'BAD_USER_INPUT' },
    })
  })

  it.each([
    ['line breaks of each kind', '{\n  viewer {\r\n\tsubject\r nobody } x }'],
    ['two fields that cannot be merged', '\r\n\r\n{ viewer { subject: scopes subject } }'],
    ['70,000 line breaks', `${'\n'.repeat(70_000)}{ x }`],
    ['fragments in a circle', '{ ...A ...B } fragment A on Query { ...B }\n\n fragment B on Query\n{ ...A }'],
    ['an end too soon', '{\n\nviewer { '],
  ])('tells where errors are as graphql-js does: %s', async (_what, query) => {
    const { errors } = await ask(waymark.url, query)
    expect(errors?.map(({ message, ...rest }) => [message, 'locations' in rest && rest.locations])).toEqual(
      errorsOf(query).map(({ message, locations }) => [message, locations]),
    )
  })
})

function errorsOf(text: string): readonly GraphQLError[] {
  try {
    return validate(schema, parse(text), undefined, { hideSuggestions: true })
  } catch (error) {
    if (error instanceof GraphQLError) return [error]
    throw error
  }
}

/** Kept without a bound, any of them would take more than all may. */
const DISTINCT = 128

describe(`${DISTINCT} large documents that are all different`, () => {
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  async function heapBytes(): Promise<number> {
    for (let round = 0; round < 4; round += 1) {
      collect()
      await delay(50)
    }
    return process.memoryUsage().heapUsed
  }
  const many = (count: number, text: (place: number) => string) =>
    Array.from({ length: count }, (_, place) => text(place)).join(' ')
  const NAMES = ['subject', 'scopes', 'userIds', 'expiresAt', '__typename']

  it.each<[string, (place: number) => string]>([
    ['of fields', (place) => `query Q${place} { viewer { ${NAMES.map((name) => many(190, () => name)).join(' ')} } }`],
    ['of fragments', (place) => `query Q${place} { viewer { ...F0 } } ${many(150, fragment)} ${last}`],
    ['of line breaks', (place) => `query Q${place} { user(userId: "") { id } }${'\n'.repeat(90_000)}`],
  ])('%s take no more memory than all documents may', { timeout: 120_000 }, async (_, documentOf) => {
    const send = async (place: number) => {
      expect(await waymark.send(documentOf(place))).toHaveProperty('data')
    }
    // What the first ones make for good is none of theirs.
    for (let place = 1_000; place < 1_010; place += 1) await send(place)
    const before = await heapBytes()
    for (let place = 0; place < DISTINCT; place += 1) await send(place)
    const grown = (await heapBytes()) - before
    expect(grown).toBeLessThan(MOST_DOCUMENT_BYTES)
  })
  const fragment = (place: number) => `fragment F${place} on Viewer { ...F${place + 1} subject }`
  const last = 'fragment F150 on Viewer { subject }'
})
