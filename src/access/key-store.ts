import { mapColumns } from '../database/columns.ts'
import type { Database } from '../database/database.ts'
import { SCOPES, type Scope } from '../identity/principal.ts'

/** A stored key: everything but its secret. */
export interface ApiKey {
  readonly keyId: string
  readonly client: string
  readonly scopes: readonly Scope[]
  /** null: every user. */
  readonly userIds: readonly string[] | null
  readonly createdAt: Date
  readonly createdBy: string
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

type KeyRow = Omit<ApiKey, 'scopes'> & { readonly scopes: readonly string[] }

const COLUMNS = mapColumns<KeyRow>({
  keyId: 'key_id',
  client: 'client',
  scopes: 'scopes',
  userIds: 'user_ids',
  createdAt: { time: 'created_at' },
  createdBy: 'created_by',
  expiresAt: { time: 'expires_at' },
  revokedAt: { time: 'revoked_at' },
}).selected('k')

/**
 * Stores a key. One statement counts the client's live keys and inserts, under a lock for the client.
 * @returns false: the client has two live keys already, and nothing was stored
 */
export async function insertKey(
  database: Database,
  key: Pick<ApiKey, 'keyId' | 'client' | 'scopes' | 'userIds' | 'expiresAt' | 'createdBy'> & { readonly hash: Buffer },
): Promise<boolean> {
  const [row] = await database.query<{ created: boolean }>({
    name: 'api_key_create',
    text: 'SELECT crawler.create_api_key($1, $2, $3, $4, $5, $6, $7) AS created',
    values: [key.keyId, key.client, key.hash, key.scopes, key.userIds, key.expiresAt, key.createdBy],
  })
  return row?.created ?? false
}

/**
 * The keys that exist with these IDs, each with its hash, including revoked and expired ones; in no particular order.
 */
export async function findKeys(
  database: Database,
  keyIds: readonly string[],
): Promise<(ApiKey & { readonly hash: Buffer })[]> {
  const rows = await database.query<KeyRow & { readonly hash: Buffer }>({
    name: 'api_keys_by_id',
    text: `SELECT ${COLUMNS}, k.hash FROM crawler.api_key k WHERE k.key_id = ANY ($1::text[])`,
    values: [keyIds],
  })
  return rows.map((row) => ({ ...toKey(row), hash: row.hash }))
}

/** All keys, ordered by client, the newest first. */
export async function listKeys(database: Database): Promise<ApiKey[]> {
  const rows = await database.query<KeyRow>({
    name: 'api_keys',
    text: `SELECT ${COLUMNS} FROM crawler.api_key k ORDER BY k.client, k.created_at DESC, k.key_id`,
    values: [],
  })
  return rows.map(toKey)
}

/** Revokes a key. The time of the first revocation is kept. @returns undefined: there is no such key */
export async function markRevoked(database: Database, keyId: string): Promise<ApiKey | undefined> {
  const rows = await database.query<KeyRow>({
    name: 'api_key_revoke',
    text: `UPDATE crawler.api_key k SET revoked_at = coalesce(k.revoked_at, crawler.clock()) WHERE k.key_id = $1 RETURNING ${COLUMNS}`,
    values: [keyId],
  })
  return rows.map(toKey)[0]
}

function toKey(row: KeyRow): ApiKey {
  // A scope of a later version grants nothing here.
  return { ...row, scopes: SCOPES.filter((scope) => row.scopes.includes(scope)) }
}
