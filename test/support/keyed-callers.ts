import { pino } from 'pino'
import { createKey } from '../../src/access/keys.ts'
import { openDatabase } from '../../src/database/database.ts'
import { localOperator, type Scope } from '../../src/identity/principal.ts'
import { clientOf, type TestWaymark } from './waymark.ts'

let clients = 0

/** A client with an API key of its own, of a server with AUTHENTICATION=keys. @param userIds undefined: every user */
export async function keyedCaller(
  waymark: TestWaymark,
  scopes: readonly Scope[],
  userIds?: readonly string[],
): Promise<ReturnType<typeof clientOf> & { readonly subject: string; readonly authorization: string }> {
  const options = { poolSize: 1, connectTimeoutMs: 4_000, statementTimeoutMs: 10_000, log: pino({ level: 'silent' }) }
  const database = openDatabase({ ...options, url: waymark.database.url })
  const client = `client-${(clients += 1)}`
  try {
    const created = await createKey(
      database,
      localOperator,
      { client, scopes, userIds, expiresAt: undefined },
      new Date(),
    )
    if (created instanceof Error) throw created
    const authorization = `Bearer ${created.text}`
    return { ...clientOf(waymark.url, { authorization }), subject: `key:${client}`, authorization }
  } finally {
    await database.close()
  }
}
