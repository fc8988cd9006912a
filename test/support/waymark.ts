import { pino } from 'pino'
import { expect } from 'vitest'
import { type App, type Paces, startApp } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

interface Answer {
  readonly data?: Record<string, unknown> | null
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

/** A real server over a database of its own, as a client sees it. */
export interface TestWaymark extends AsyncDisposable {
  readonly url: string
  readonly database: TestDatabase
  /** Sends an operation, whatever comes back. */
  send(query: string, variables?: Record<string, unknown>): Promise<Answer & { readonly status: number }>
  /** Sends an operation that must have no top-level error, and gives its data. */
  ask<Data = Record<string, any>>(query: string, variables?: Record<string, unknown>): Promise<Data>
  /** Sends an operation that must fail, and gives the first error's code and message. */
  fail(query: string, variables?: Record<string, unknown>): Promise<{ readonly code: string; readonly message: string }>
}

/**
 * @param settings environment variables beside PORT and DATABASE_URL
 * @param paces where the server's own are too slow for a test, or too quick
 */
export async function startWaymark(settings: Record<string, string> = {}, paces?: Paces): Promise<TestWaymark> {
  const database = await createTestDatabase()
  const app = await startOn(database.url, settings, paces)
  return { ...clientOf(app.url), database, [Symbol.asyncDispose]: () => stop(app, database) }
}

export function startOn(databaseUrl: string, settings: Record<string, string> = {}, paces?: Paces): Promise<App> {
  const config = readConfig({ PORT: '0', DATABASE_URL: databaseUrl, LOG_LEVEL: 'silent', ...settings })
  return startApp(config, pino({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent' }), paces)
}

async function stop(app: App, database: TestDatabase): Promise<void> {
  await app.close()
  await database[Symbol.asyncDispose]()
}

/** @param headers beside the content type, e.g. authorization */
export function clientOf(
  url: string,
  headers: Record<string, string> = {},
): Pick<TestWaymark, 'url' | 'send' | 'ask' | 'fail'> {
  async function send(query: string, variables?: Record<string, unknown>) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    })
    return { ...((await response.json()) as Answer), status: response.status }
  }
  return {
    url,
    send,
    async ask<Data>(query: string, variables?: Record<string, unknown>) {
      const answer = await send(query, variables)
      expect(answer.errors).toBeUndefined()
      return answer.data as Data
    },
    async fail(query, variables) {
      const answer = await send(query, variables)
      const [error] = answer.errors ?? []
      if (!error) throw new Error(`expected a top-level error, got ${JSON.stringify(answer)}`)
      return { code: error.extensions.code, message: error.message }
    },
  }
}

const REFUSAL = '__typename ... on UserError { code message } ... on InvalidInputError { issues { path message } }'

/** The operations that most tests need, each with everything of its answer that tests look at. */
export const operations = {
  registerUser: `mutation ($input: RegisterUserInput!) {
    result: registerUser(input: $input) { ${REFUSAL} ... on RegisterUserSuccess { user { id userId } } } }`,
  saveCheckpoint: `mutation ($input: SaveCheckpointInput!) {
    result: saveCheckpoint(input: $input) { ${REFUSAL}
      ... on SaveCheckpointSuccess { created
        checkpoint { id userId stream platform lastItemId lastTweetId lastCrawledAt bookmarksCount createdAt updatedAt }
        session { sessionId status bookmarksProcessed } }
      # Nullable above and not here: GraphQL lets the two meet under one name only by an alias.
      ... on SessionClosedError { closed: session { sessionId status } } } }`,
  clearCheckpoint: `mutation ($input: ClearCheckpointInput!) {
    result: clearCheckpoint(input: $input) { ${REFUSAL} ... on ClearCheckpointSuccess { cleared lastItemId nodeId } } }`,
  startSession: `mutation ($input: StartSessionInput!) {
    result: startSession(input: $input) { ${REFUSAL}
      ... on StartSessionSuccess {
        session { id sessionId userId stream platform startedAt completedAt status bookmarksProcessed directImport
          enableSummarization outputFilePath errorMessage }
        checkpoint { lastItemId bookmarksCount } }
      ... on SessionExistsError { session { sessionId status } } } }`,
  heartbeat: `mutation ($input: HeartbeatInput!) {
    result: heartbeat(input: $input) { ${REFUSAL}
      ... on HeartbeatSuccess { session { sessionId status bookmarksProcessed } }
      ... on SessionClosedError { session { sessionId status } } } }`,
  completeSession: endOperation('completeSession', 'CompleteSessionInput'),
  stopSession: endOperation('stopSession', 'StopSessionInput'),
  failSession: endOperation('failSession', 'FailSessionInput'),
}

function endOperation(field: string, input: string): string {
  return `mutation ($input: ${input}!) {
    result: ${field}(input: $input) { ${REFUSAL}
      ... on EndSessionSuccess { session { sessionId status completedAt bookmarksProcessed outputFilePath errorMessage } }
      ... on SessionClosedError { session { sessionId status } } } }`
}

/** What came of a mutation of `operations`: the fields of whichever member it was. */
export interface MutationResult extends Record<string, any> {
  readonly __typename: string
  readonly code?: string
  readonly issues?: readonly { readonly path: readonly string[]; readonly message: string }[]
}

export async function mutate(
  waymark: Pick<TestWaymark, 'ask'>,
  operation: keyof typeof operations,
  input: Record<string, unknown>,
): Promise<MutationResult> {
  const { result } = await waymark.ask<{ result: MutationResult }>(operations[operation], { input })
  return result
}
