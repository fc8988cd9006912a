import type { DatabaseClock } from '../database/clock.ts'
import type { Database } from '../database/database.ts'
import { createGroupCommit } from '../concurrency/group-commit.ts'
import type { Principal } from '../identity/principal.ts'
import { isHashOf, keyIdOf } from './key-format.ts'
import { type ApiKey, findKeys } from './key-store.ts'

/** How long a key's row is cached, milliseconds. After this time every replica sees a revocation. */
const TRUST_MS = 10_000
const MOST_REMEMBERED = 10_000
const MOST_AT_ONCE = 1_000

type StoredKey = ApiKey & { readonly hash: Buffer }

interface RememberedKey {
  /** undefined: there is no such key. */
  readonly key: StoredKey | undefined
  /** By performance.now(). */
  readonly untilMs: number
  /** By the database's clock. */
  readonly readAt: Date
}

/**
 * Makes the function that returns the principal of an API key, or undefined if the key is unknown, revoked or expired.
 *
 * Rows are cached for 10 s, and so is the absence of a row. IDs that are not cached are looked up together, one
 * statement at a time: a client that sends made-up keys keeps one connection busy, not the pool. If a key seems to have
 * expired since its row was read, it is looked up once more, because its expiry may have been changed.
 * @param trustMs how long a row is cached, milliseconds
 * @throws Fault OVERLOADED, from the returned function, if the lookup would wait too long
 */
export function createKeyCheck(
  database: Database,
  clock: Pick<DatabaseClock, 'now'>,
  trustMs = TRUST_MS,
): (text: string) => Principal | undefined | Promise<Principal | undefined> {
  const remembered = new Map<string, RememberedKey>()

  const lookUps = createGroupCommit<string, { readonly key: StoredKey | undefined }>(
    async (keyIds) => {
      // Taken before the statement: a key that is revoked while it runs is not trusted longer than one revoked just
      // before.
      const untilMs = performance.now() + trustMs
      const readAt = clock.now()
      const found = new Map((await findKeys(database, [...new Set(keyIds)])).map((key) => [key.keyId, key]))
      return keyIds.map((keyId) => {
        const entry = { key: found.get(keyId), untilMs, readAt }
        remember(keyId, entry)
        return entry
      })
    },
    { maxSetSize: MOST_AT_ONCE },
  )

  function remember(keyId: string, entry: RememberedKey): void {
    remembered.delete(keyId)
    remembered.set(keyId, entry)
    const [oldest] = remembered.keys()
    if (remembered.size > MOST_REMEMBERED && oldest !== undefined) remembered.delete(oldest)
  }

  function isBelieved({ key, untilMs, readAt }: RememberedKey): boolean {
    if (untilMs <= performance.now()) return false
    const expiresAt = key?.expiresAt
    return !expiresAt || expiresAt <= readAt || expiresAt > clock.now()
  }

  function judge(text: string, key: StoredKey | undefined): Principal | undefined {
    if (!isHashOf(text, key?.hash) || !key) return undefined
    const isLive = key.revokedAt === null && (key.expiresAt === null || key.expiresAt > clock.now())
    return isLive ? principalOf(key) : undefined
  }

  return (text) => {
    const keyId = keyIdOf(text)
    if (keyId === undefined) return undefined
    const known = remembered.get(keyId)
    if (known && isBelieved(known)) return judge(text, known.key)
    return lookUps.submit(keyId).then(({ key }) => judge(text, key))
  }
}

/**
 * One object for as long as the key's row is cached: callers with the same reach object share reads
 * (graphql/loaders.ts).
 */
const principals = new WeakMap<StoredKey, Principal>()

function principalOf(key: StoredKey): Principal {
  let principal = principals.get(key)
  if (!principal) principals.set(key, (principal = toPrincipal(key)))
  return principal
}

function toPrincipal({ client, scopes, userIds, expiresAt }: StoredKey): Principal {
  return {
    subject: `key:${client}`,
    scopes: new Set(scopes),
    userIds: userIds === null ? 'all' : new Set(userIds),
    expiresAt,
  }
}
