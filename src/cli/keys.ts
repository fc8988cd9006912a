import { pino } from 'pino'
import { createDatabaseClock } from '../database/clock.ts'
import { openDatabase } from '../database/database.ts'
import { migrate } from '../database/migrations/migrate.ts'
import { requireMigrated } from '../database/migrations/require-migrated.ts'
import { localOperator, type Scope } from '../identity/principal.ts'
import type { ApiKey } from '../access/key-store.ts'
import { allKeys, createKey, revokeKey } from '../access/keys.ts'
import type { KeyArguments } from './key-arguments.ts'

const DAY_MS = 86_400_000

/**
 * Runs `key create`, `key list` or `key revoke`.
 * @param mayMigrate whether to migrate first, so that a key can be made before the server's first start
 * @param print called with each line of the answer
 * @returns the exit code: 1 if the key was not made, or does not exist
 * @throws StartupError if the database is not ready
 */
export async function runKeyCommand(
  databaseUrl: string,
  { command, name, scopes, users, days }: KeyArguments,
  { mayMigrate, print }: { readonly mayMigrate: boolean; readonly print: (text: string) => void },
): Promise<number> {
  if (mayMigrate) await migrate({ databaseUrl })
  else await requireMigrated({ databaseUrl })
  const timeouts = { connectTimeoutMs: 3_000, statementTimeoutMs: 10_000 }
  const database = openDatabase({ url: databaseUrl, poolSize: 2, ...timeouts, log: pino({ level: 'silent' }) })
  try {
    switch (command) {
      case 'list':
        for (const key of await allKeys(database, localOperator)) print(describeKey(key))
        return 0
      case 'revoke': {
        const revoked = await revokeKey(database, localOperator, name)
        print(revoked ? `revoked: ${describeKey(revoked)}` : `There is no key ${name}: see key list.`)
        return revoked ? 0 : 1
      }
      case 'create': {
        const clock = createDatabaseClock(database)
        await clock.measure()
        const now = clock.now()
        const created = await createKey(
          database,
          localOperator,
          {
            client: name,
            // createKey refuses unknown scopes, and names the known ones.
            scopes: scopes as Scope[],
            userIds: users,
            expiresAt: days === undefined ? undefined : new Date(now.getTime() + days * DAY_MS),
          },
          now,
        )
        if (created instanceof Error) {
          print(created.message)
          return 1
        }
        print(created.text)
        return 0
      }
    }
  } finally {
    await database.close()
  }
}

function describeKey({ keyId, client, scopes, userIds, createdAt, expiresAt, revokedAt }: ApiKey): string {
  const users = userIds === null ? 'every user' : `users ${userIds.map((userId) => JSON.stringify(userId)).join(', ')}`
  const end = revokedAt
    ? `revoked ${revokedAt.toISOString()}`
    : expiresAt
      ? `expires ${expiresAt.toISOString()}`
      : 'does not expire'
  return `${keyId}  ${client}  ${scopes.join(',')}  ${users}  made ${createdAt.toISOString()}, ${end}`
}
