import { Fault } from '../fault.ts'
import { NODE_TYPES } from '../identifier.ts'

/**
 * The contract's `id: ID!`: base64 of "<type>:<key>", opaque to clients and stable.
 * Several natural keys make one key as a JSON array, since a user ID may hold any separator.
 */
export function encodeNodeId(type: string, key: string | number | bigint): string {
  return Buffer.from(`${type}:${key}`).toString('base64')
}

/** @throws Fault BAD_USER_INPUT where the text is no id of this API */
export function decodeNodeId(id: string): { typename: string; id: string } {
  const decoded = /^[A-Za-z0-9+/_-]+={0,2}$/.test(id) ? Buffer.from(id, 'base64').toString('utf8') : ''
  const [, typename, key] = /^([A-Za-z]+):(.+)$/su.exec(decoded) ?? []
  if (
    typename === undefined ||
    !NODE_TYPES.includes(typename) ||
    key === undefined ||
    key.includes('\0') ||
    key.includes('\ufffd')
  ) {
    throw new Fault(
      'BAD_USER_INPUT',
      `${JSON.stringify(id.slice(0, 100))} is no id: send the id field of an object of this API.`,
    )
  }
  return { typename, id: key }
}

export function checkpointNodeId({ userId, stream }: { userId: string; stream: string }): string {
  return encodeNodeId('Checkpoint', checkpointNodeKey({ userId, stream }))
}

export function checkpointNodeKey({ userId, stream }: { userId: string; stream: string }): string {
  return JSON.stringify([userId, stream])
}

/** @throws Fault BAD_USER_INPUT where the key is not one that checkpointNodeKey made */
export function parseCheckpointNodeKey(key: string): { userId: string; stream: string } {
  try {
    const parts: unknown = JSON.parse(key)
    if (Array.isArray(parts) && parts.length === 2) {
      const [userId, stream] = parts as unknown[]
      if (typeof userId === 'string' && typeof stream === 'string' && !`${userId}${stream}`.includes('\0')) {
        return { userId, stream }
      }
    }
  } catch {
    // Answered below.
  }
  throw new Fault('BAD_USER_INPUT', 'This is no id of a Checkpoint: send the id field of one.')
}
