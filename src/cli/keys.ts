import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { createDatabaseClock } from '../database/clock.ts'
import { openDatabase } from '../database/database.ts'
import { migrate } from '../database/migrations/migrate.ts'
import { requireMigrated } from '../database/migrations/require-migrated.ts'
import { localOperator, type Scope } from '../identity/principal.ts'
import { StartupError } from '../errors/startup-error.ts'
import type { ApiKey } from '../access/key-store.ts'
import { allKeys, createKey, revokeKey } from '../access/keys.ts'

export const KEY_USAGE = `  key create <client> --scopes read,crawl [--user <userId>]... [--days <n>]
                 make an API key and print it, once (docs/access.md)
  key list       every key, without its secret
  key revoke <keyId>
                 end a key within 30 s`

const DAY_MS = 86_400_000
const MOST_DAYS = 36_500

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

export interface KeyArguments {
  readonly command: 'create' | 'list' | 'revoke'
  /** The client, or the ID of the key. */
  readonly name: string
  readonly scopes: readonly string[]
  readonly users: readonly string[] | undefined
  readonly days: number | undefined
}

/** Reads the arguments after `key`. @throws StartupError if they are wrong */
export function readKeyArguments(args: readonly string[]): KeyArguments {
  const { positionals, values } = parse(args)
  const [command, name, ...rest] = positionals
  const isList = command === 'list' && name === undefined
  const named = (command === 'create' || command === 'revoke') && name !== undefined && rest.length === 0
  const hasOptions = Object.keys(values).length > 0
  if ((!isList && !named) || (command !== 'create' && hasOptions)) throw usageError()
  const days = values.days === undefined ? undefined : Number(values.days)
  if (days !== undefined && !(Number.isInteger(days) && days >= 1 && days <= MOST_DAYS)) {
    throw new StartupError(`--days must be a whole number from 1 to ${MOST_DAYS}.`)
  }
  if (command === 'create' && values.scopes === undefined) {
    throw new StartupError(
      'key create needs --scopes: one or more of read, crawl, operate, admin, separated by commas.',
    )
  }
  return { command, name: name ?? '', scopes: values.scopes?.split(',') ?? [], users: values.user, days }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { scopes: { type: 'string' }, user: { type: 'string', multiple: true }, days: { type: 'string' } },
    })
  } catch {
    throw usageError()
  }
}

function usageError(): StartupError {
  return new StartupError(
    'send key create <client> --scopes read,crawl [--user <userId>]... [--days <n>], key list, or key revoke <keyId>.',
  )
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
