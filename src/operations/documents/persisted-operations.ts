import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type GraphQLSchema, validate } from 'graphql'
import { z } from 'zod'
import { Fault } from '../../errors/fault.ts'
import { StartupError } from '../../errors/startup-error.ts'
import { findDocumentExcess } from '../../limits/document-limits.ts'
import { parseTokens } from '../../limits/parse-tokens.ts'
import { findConditionalRoots } from './subscription-root.ts'

/** How a client names a document: by its text, its ID, or both. */
export interface DocumentReference {
  /** Empty: no text. GraphQL over WebSocket requires the member. */
  readonly query?: string | undefined
  readonly documentId?: string | undefined
}

/**
 * Finds the text of the document that a request names.
 * @throws Fault, by its code, if there is none or it may not be run
 */
export type FindDocument = (reference: DocumentReference) => string

/**
 * The two formats: an object by ID, as Relay's compiler and graphql-codegen write it, and the manifest that Apollo's
 * `generate-persisted-query-manifest` writes.
 */
const manifestSchema = z.union([
  z
    .object({
      format: z.literal('apollo-persisted-query-manifest'),
      version: z.literal(1),
      operations: z.array(z.looseObject({ id: z.string().min(1), body: z.string() })),
    })
    .transform(({ operations }) => operations.map(({ id, body }) => [id, body] as const)),
  z.record(z.string().min(1), z.string()).transform((documents) => Object.entries(documents)),
])

/**
 * Reads a manifest of documents that clients may name by ID.
 * @throws StartupError if the file cannot be read, has another format, or has a document that can never run
 */
export function readManifest(path: string, schema: GraphQLSchema): ReadonlyMap<string, string> {
  const refuse = (what: string, cause?: unknown) =>
    new StartupError(`PERSISTED_OPERATIONS=${path} ${what}. docs/limits.md says what it may hold.`, { cause })
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw refuse(cause instanceof SyntaxError ? 'is not valid JSON' : 'cannot be read', cause)
  }
  const parsed = manifestSchema.safeParse(content)
  if (!parsed.success) throw refuse('is neither {"<id>": "<document>"} nor a manifest of Apollo')
  for (const [id, text] of parsed.data) {
    const problem = findProblem(text, schema)
    if (problem !== undefined) throw refuse(`has a document that cannot be run, ${JSON.stringify(id)}: ${problem}`)
  }
  return new Map(parsed.data)
}

function findProblem(text: string, schema: GraphQLSchema): string | undefined {
  try {
    const document = parseTokens(text)
    // Introspection is allowed here: an operator who lists it wants it.
    const [problem] = [
      ...findDocumentExcess(document, { introspection: true }),
      ...findConditionalRoots(document),
      ...validate(schema, document),
    ]
    return problem?.message
  } catch (error) {
    return error instanceof Error ? error.message : 'it cannot be parsed'
  }
}

/**
 * @param manifest the documents by ID; undefined: there is no manifest
 * @param only whether only documents of the manifest may be run
 */
export function createFindDocument(manifest: ReadonlyMap<string, string> | undefined, only: boolean): FindDocument {
  const texts = new Set(manifest?.values())
  const byId = new Map([...[...texts].flatMap(hashesOf), ...(manifest ?? [])])
  return ({ query = '', documentId }) => {
    // Also found by its text: not every client can omit it.
    if (query !== '') {
      if (only && !texts.has(query)) throw new Fault('PERSISTED_QUERY_ONLY', ONLY)
      return query
    }
    if (documentId === undefined) return query
    if (!manifest) throw new Fault('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported')
    const text = byId.get(documentId)
    // Apollo's clients look for exactly this message, and for the one above.
    if (text === undefined) throw new Fault('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound')
    return text
  }
}

/**
 * The IDs that every document has besides the manifest's: its SHA-256, as Apollo's and urql's clients send it, and the
 * same with the prefix of https://graphql.github.io/graphql-over-http/draft/#sec-SHA256-Hex-Document-Identifier.
 */
function hashesOf(text: string): readonly (readonly [id: string, text: string])[] {
  const hex = hash('sha256', text)
  return [
    [hex, text],
    [`sha256:${hex}`, text],
  ]
}

const ONLY =
  'Only the operations of this server’s manifest are run: name one by documentId or extensions.persistedQuery.sha256Hash, or ask an operator to add yours.'

/** The document ID in a request: `documentId`, or Apollo's `extensions.persistedQuery`, version 1. */
export function documentIdOf(request: {
  readonly documentId?: unknown
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined
}): string | undefined {
  if (typeof request.documentId === 'string') return request.documentId
  const persisted = request.extensions?.['persistedQuery']
  if (typeof persisted !== 'object' || persisted === null || !('sha256Hash' in persisted)) return undefined
  return 'version' in persisted && persisted.version === 1 && typeof persisted.sha256Hash === 'string'
    ? persisted.sha256Hash
    : undefined
}
