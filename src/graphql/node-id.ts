import { isUtf8 } from 'node:buffer'
import { Fault } from '../errors/fault.ts'
import { NODE_TYPES } from '../identity/identifier.ts'

/**
 * Encodes an `id: ID!`: base64 of "<type>:<key>", opaque to clients and stable. Several natural keys make one key as a
 * JSON array, since a user ID may contain any separator.
 */
export function encodeNodeId(type: string, key: string | number | bigint): string {
  return Buffer.from(`${type}:${key}`).toString('base64')
}

/** @throws Fault BAD_USER_INPUT if the text is not an ID of this API */
export function decodeNodeId(id: string): { typename: string; id: string } {
  const bytes = Buffer.from(/^[A-Za-z0-9+/_-]+={0,2}$/.test(id) ? id : '', 'base64')
  // Rows of other programs can contain U+FFFD, so the bytes decide whether this is text.
  const decoded = isUtf8(bytes) ? bytes.toString('utf8') : ''
  const [, typename, key] = /^([A-Za-z]+):(.+)$/su.exec(decoded) ?? []
  if (typename === undefined || !NODE_TYPES.includes(typename) || key === undefined || key.includes('\0')) {
    throw new Fault('BAD_USER_INPUT', 'This is no id: send the id field of an object of this API.')
  }
  return { typename, id: key }
}

/** The fault for an ID whose key cannot be read. */
export function noIdOf(type: string): Fault {
  return new Fault('BAD_USER_INPUT', `This is no id of a ${type}: send the id field of one.`)
}
