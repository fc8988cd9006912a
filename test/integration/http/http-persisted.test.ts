import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readConfig } from '../../../src/config.ts'
import { schema } from '../../../src/api/schema.ts'
import { readManifest } from '../../../src/operations/documents/persisted-operations.ts'
import { StartupError } from '../../../src/errors/startup-error.ts'
import { runCommand } from '../../support/server-process.ts'
import { startWaymark, type TestWaymark } from '../../support/waymark.ts'
import { type Ask, type Told, transports } from './transports.ts'

const VIEWER = 'query Viewer($on: Boolean = true) { viewer { subject @include(if: $on) __typename } }'
const USER = 'query User { user(userId: "nobody") { id } }'
const hash = (text: string) => createHash('sha256').update(text).digest('hex')

/** As @urql/exchange-persisted and Apollo's persisted link with useGETForHashedQueries send it. */
const byGet: Ask = async (url, query, variables, { body } = {}) => {
  const members = Object.entries({ query, variables, ...body }).filter(([, value]) => value !== undefined)
  const texts = members.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)])
  const response = await fetch(`${url}?${new URLSearchParams(texts).toString()}`)
  return (await response.json()) as Told
}

let folder: string
const manifestOf = async (content: unknown) => {
  const path = join(folder, `${hash(JSON.stringify(content))}.json`)
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-manifest-'))
})
afterAll(() => rm(folder, { recursive: true }))

const relay = { viewer: VIEWER, [hash(USER)]: USER }
const apollo = {
  format: 'apollo-persisted-query-manifest',
  version: 1,
  operations: [
    { id: 'viewer', name: 'Viewer', type: 'query', body: VIEWER },
    { id: hash(USER), name: 'User', type: 'query', body: USER },
  ],
}

describe.each([
  ['by ID', relay],
  ['of Apollo’s', apollo],
])('with PERSISTED_ONLY and a manifest %s', (_, manifest) => {
  let waymark: TestWaymark
  beforeAll(async () => {
    waymark = await startWaymark({ PERSISTED_OPERATIONS: await manifestOf(manifest), PERSISTED_ONLY: '1' })
  })
  afterAll(() => waymark[Symbol.asyncDispose]())

  describe.each([...Object.entries(transports), ['GET', byGet] as const])('over %s', (transport, ask) => {
    // GraphQL over WebSocket demands a text.
    const nothing = transport === 'WebSocket' ? '' : undefined
    const persisted = (sha256Hash: string) => ({ body: { extensions: { persistedQuery: { version: 1, sha256Hash } } } })

    it('runs what the SHA-256 of its text names, whatever the manifest calls it', async () => {
      const { body } = persisted(hash(VIEWER))
      for (const named of [{ documentId: hash(VIEWER) }, { documentId: `sha256:${hash(VIEWER)}` }, body])
        expect(await ask(waymark.url, nothing, {}, { body: named })).toMatchObject({ data: { viewer: {} } })
    })

    it('runs what an ID names, with variables, and the same by its text', async () => {
      const byId = (body: Record<string, unknown>, variables = {}) => ask(waymark.url, nothing, variables, { body })
      expect(await byId({ documentId: 'viewer' })).toMatchObject({ data: { viewer: { subject: 'local' } } })
      expect((await byId({ documentId: 'viewer' }, { on: false })).data).toEqual({ viewer: { __typename: 'Viewer' } })
      expect(await ask(waymark.url, nothing, {}, persisted(hash(USER)))).toMatchObject({ data: { user: null } })
      expect(await ask(waymark.url, VIEWER)).toMatchObject({ data: { viewer: { subject: 'local' } } })
    })

    it('refuses every other text, also with an ID, and IDs that there are not, without a statement', async () => {
      const statements = vi.spyOn(pg.Client.prototype, 'query')
      try {
        const refused = async (...args: [string | undefined, Parameters<typeof ask>[3]?]) =>
          (await ask(waymark.url, args[0], {}, args[1])).errors?.map(({ extensions }) => extensions['code'])
        const only = ['PERSISTED_QUERY_ONLY']
        expect(await refused('{ users { nodes { id } } }')).toEqual(only)
        expect(await refused('{ __schema { types { name } } }')).toEqual(only)
        expect(await refused('{ users { nodes { id } } }', persisted(hash(USER)))).toEqual(only)
        expect(await refused('subscription { sessionStatusChanged { kind } }')).toEqual(only)
        expect(await refused(nothing, persisted(hash('{ users { nodes { id } } }')))).toEqual([
          'PERSISTED_QUERY_NOT_FOUND',
        ])
        expect(await refused(nothing, { body: { documentId: '__proto__' } })).toEqual(['PERSISTED_QUERY_NOT_FOUND'])
        const texts = statements.mock.calls.map(([first]: unknown[]) =>
          typeof first === 'string' ? first : (first as { text: string }).text,
        )
        expect(texts.filter((text) => /public\."user"/.test(text))).toEqual([])
      } finally {
        vi.restoreAllMocks()
      }
    })
  })
})

describe('with a manifest, and without PERSISTED_ONLY', () => {
  it('runs what an ID names, and every text', async () => {
    await using waymark = await startWaymark({ PERSISTED_OPERATIONS: await manifestOf(relay) })
    for (const ask of Object.values(transports)) {
      expect(await ask(waymark.url, '', {}, { body: { documentId: 'viewer' } })).toMatchObject({ data: { viewer: {} } })
      expect(await ask(waymark.url, '{ __typename }')).toMatchObject({ data: { __typename: 'Query' } })
    }
  })
})

describe('without a manifest', () => {
  it('tells clients that send IDs to send documents, in the words that Apollo’s look for', async () => {
    await using waymark = await startWaymark()
    const body = { extensions: { persistedQuery: { version: 1, sha256Hash: hash(USER) } } }
    for (const ask of [...Object.values(transports), byGet]) {
      expect(await ask(waymark.url, '', {}, { body })).toMatchObject({
        errors: [{ message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } }],
      })
      // Beside a text the ID asks for nothing.
      expect(await ask(waymark.url, USER, {}, { body })).toMatchObject({ data: { user: null } })
    }
  })
})

describe('a manifest that is none', () => {
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /is not valid JSON/],
    ['a list', ['{ __typename }'], /is neither/],
    ['a document that is no text', { a: 1 }, /is neither/],
    ['Apollo’s of a later version', { ...apollo, version: 2 }, /is neither/],
    ['a document with a syntax error', { ok: VIEWER, bad: '{' }, /"bad": Syntax Error/],
    ['a document that is not of this schema', { bad: '{ nothing }' }, /"bad": Cannot query field/],
    [
      'a document that is too deep',
      { bad: `{ user(userId: "a") { ${'checkpoint { user { '.repeat(6)} id ${'} }'.repeat(6)} } }` },
      /"bad": This document nests 14 fields/,
    ],
  ])('is refused in one line: %s', async (_, content, reason) => {
    const path = await manifestOf(content)
    expect(() => readManifest(path, schema)).toThrow(StartupError)
    expect(() => readManifest(path, schema)).toThrow(reason)
    expect(() => readManifest(path, schema)).toThrow(/^PERSISTED_OPERATIONS=[^\n]*$/)
  })

  it('keeps the server from starting, as PERSISTED_ONLY without one does', async () => {
    const DATABASE_URL = 'postgresql://127.0.0.1:1/none'
    const missing = { PERSISTED_OPERATIONS: join(folder, 'missing.json'), DATABASE_URL }
    const { code, stderr } = await runCommand(['serve'], missing, { cwd: tmpdir() })
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/^waymark: PERSISTED_OPERATIONS=.*missing\.json cannot be read\..*\n$/),
    ])
    expect(() => readConfig({ PERSISTED_ONLY: '1' })).toThrow(/PERSISTED_ONLY=1 without a manifest/)
  })
})
