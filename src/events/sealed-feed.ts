import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Database } from '../database/database.ts'
import { Fault } from '../errors/fault.ts'
import { cursorExpired } from './cursor.ts'
import type { Feed } from './feed.ts'

const IV_BYTES = 12
const TAG_BYTES = 16

/** Reads the secret with which every replica encrypts cursors. */
export async function readSealSecret(database: Database): Promise<Buffer> {
  const [row] = await database.query<{ secret: Buffer }>({ text: 'SELECT secret FROM crawler.cursor_seal', values: [] })
  if (!row) throw new Error('crawler.cursor_seal is empty: run the migrations')
  return row.secret
}

/**
 * The feed for callers that are limited to some users. Event IDs count the events of all users: from two plain cursors
 * such a caller could tell how much others did in between. So cursors are encrypted, each time differently, and cannot
 * be compared.
 */
export function sealFeed(feed: Feed, secret: Buffer): Feed {
  const sealed: Pick<Feed, 'isSealed' | 'cursor' | 'resolve' | 'read'> = {
    isSealed: true,
    cursor: (place) => seal(feed.cursor(place), secret),
    async resolve(cursor) {
      const opened = open(cursor, secret)
      // feed.resolve refuses an empty text as no cursor.
      return feed.resolve(opened ?? '').catch(withoutDetail)
    },
    read: (after, limit) => feed.read(after, limit).catch(withoutDetail),
  }
  return Object.assign(Object.create(feed) as Feed, sealed)
}

/** Replaces the reason: it may contain a plain cursor. */
function withoutDetail(error: unknown): never {
  if (error instanceof Fault && error.code === 'CURSOR_EXPIRED') throw cursorExpired('list again')
  throw error
}

function seal(text: string, secret: Buffer): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', secret, iv)
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')
}

/** @returns undefined if it was not encrypted with this secret */
function open(sealed: string, secret: Buffer): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url')
  if (bytes.length <= IV_BYTES + TAG_BYTES) return undefined
  try {
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, IV_BYTES))
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}
