import { type DocumentNode, execute, type ExecutionResult, parse, validate } from 'graphql'
import pg from 'pg'
import { pino } from 'pino'
import { createSaveWriter, MAX_SET_SIZE, type SaveOutcome } from '../../../src/crawl/save/store.ts'
import type { SaveCommand } from '../../../src/crawl/save/input.ts'
import { createDatabaseClock } from '../../../src/database/clock.ts'
import { type Database, openDatabase, type Statement } from '../../../src/database/database.ts'
import { createGroupCommit } from '../../../src/concurrency/group-commit.ts'
import { startFeed } from '../../../src/events/feed.ts'
import { readSealSecret } from '../../../src/events/sealed-feed.ts'
import { createContext, type Parts } from '../../../src/api/context.ts'
import { createLoadersOf } from '../../../src/graphql/loaders.ts'
import { schema } from '../../../src/api/schema.ts'
import type { Principal, Scope } from '../../../src/identity/principal.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'

/** The server's inside over a database of its own, to be asked as any principal. */
export interface World extends AsyncDisposable {
  readonly database: TestDatabase
  readonly parts: Parts
  ask(principal: Principal, query: string, variables?: Record<string, unknown>): Promise<ExecutionResult>
  /** The texts of the statements sent since it was last asked, each once, whatever the number of their values. */
  statementsSent(): string[]
}

/** @param options.readOnly what goes by Database.query fails if it writes */
export async function createWorld({ readOnly = false } = {}): Promise<World> {
  const testDatabase = await createTestDatabase()
  const log = pino({ level: 'silent' })
  const statements = new Set<string>()
  const options = { url: testDatabase.url, poolSize: 4, connectTimeoutMs: 4_000, statementTimeoutMs: 30_000, log }
  const tracer = { begin: (text: string) => void statements.add(withoutNumbers(text)) }
  const real = openDatabase({ ...options, tracer })
  // The feed's own statements are no request's.
  const ofFeed = openDatabase(options)
  const reader = readOnly
    ? new pg.Pool({ connectionString: testDatabase.url, max: 2, options: '-c default_transaction_read_only=on' })
    : undefined
  const database: Database = reader ? { ...real, query: (statement) => readBy(reader, statement) } : real
  const clock = createDatabaseClock(database)
  await clock.measure()
  const feed = await startFeed(ofFeed, log)
  const { submit: submitSave } = createGroupCommit<SaveCommand, SaveOutcome>(createSaveWriter(database), {
    maxSetSize: MAX_SET_SIZE,
  })
  const parts = {
    ...{ database, clock, submitSave, feed, loadersOf: createLoadersOf(database) },
    ...{ historyRetentionDays: 30, sealSecret: await readSealSecret(ofFeed) },
  }
  return {
    database: testDatabase,
    parts,
    async ask(principal, query, variableValues) {
      const contextValue = createContext(parts, principal, 'test')
      return execute({ schema, document: documentOf(query), contextValue, variableValues })
    },
    statementsSent: () => {
      const sent = [...statements].sort()
      statements.clear()
      return sent
    },
    async [Symbol.asyncDispose]() {
      await feed.close()
      await ofFeed.close()
      await real.close()
      await reader?.end()
      await testDatabase[Symbol.asyncDispose]()
    },
  }
}

/** How many keys are asked for in one statement is a matter of what meets in a set. */
function withoutNumbers(text: string): string {
  return text
    .replaceAll(/\$\d+/g, '$')
    .replaceAll(/IN \(\$(,\$)+\)|= \$/g, 'IN ($)')
    .replaceAll(/(\([^()]*(?:\(\$\)[^()]*)*\))( OR \1)+/g, '$1')
}

async function readBy<Row extends pg.QueryResultRow>(reader: pg.Pool, { text, values }: Statement): Promise<Row[]> {
  return (await reader.query<Row>(text, [...values])).rows
}

const documents = new Map<string, DocumentNode>()

/** Read once: that is most of the work of a small operation. */
function documentOf(query: string): DocumentNode {
  const known = documents.get(query)
  if (known) return known
  const document = parse(query)
  const errors = validate(schema, document)
  if (errors.length > 0) throw new AggregateError(errors, query)
  documents.set(query, document)
  return document
}

export function principalOf(subject: string, scopes: readonly Scope[], userIds?: readonly string[]): Principal {
  return { subject, scopes: new Set(scopes), userIds: userIds ? new Set(userIds) : 'all', expiresAt: null }
}
