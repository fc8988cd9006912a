import { hash } from 'node:crypto'
import type { ServerResponse } from 'node:http'

/**
 * Marks an answer that a cache may keep: of one caller only, and to be asked about each time. It depends on what was accepted. Before
 * anything can fail: a cache may also keep a refusal that does not say so.
 */
export function markRevalidated(response: ServerResponse): void {
  response.setHeader('cache-control', 'private, no-cache')
  addVary(response, 'accept, accept-encoding')
}

export function addVary(response: ServerResponse, names: string): void {
  const given = response.getHeader('vary')
  response.setHeader('vary', given === undefined ? names : `${String(given)}, ${names}`)
}

/**
 * The tag of an answer: equal for equal texts. A weak one, since the same answer is sent compressed and plain
 * (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1). The media type is in it: a cache must not take one for the other.
 */
export function entityTag(contentType: string, text: string): string {
  return `W/"${hash('sha256', `${contentType}\n${text}`, 'base64url').slice(0, 27)}"`
}

/** Whether If-None-Match names the tag, so that its sender has the answer. Weak and strong tags compare by what is between the quotes. */
export function hasTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  const opaque = tag.replace(/^W\//, '')
  return [...ifNoneMatch.matchAll(/"[^"]*"/g)].some(([given]) => given === opaque)
}
