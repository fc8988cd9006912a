import { hash } from 'node:crypto'
import type { ServerResponse } from 'node:http'

/**
 * Marks an answer to a GET: a cache may keep it for this caller only and must revalidate it each time. The answer also
 * depends on what the client accepts. Call it before anything can fail: a cache could keep a refusal that has no such
 * mark.
 */
export function markRevalidated(response: ServerResponse): void {
  response.setHeader('cache-control', 'private, no-cache')
  addVary(response, 'accept, accept-encoding')
}

/** Adds header names to Vary. @param names in lower case, separated by commas */
export function addVary(response: ServerResponse, names: string): void {
  const given = response.getHeader('vary')
  response.setHeader('vary', given === undefined ? names : `${String(given)}, ${names}`)
}

/**
 * The entity tag of an answer; equal for equal texts. It is weak, since the same answer is sent compressed and plain
 * (https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1). It depends on the media type, so that a cache does not take
 * one for the other.
 */
export function entityTag(contentType: string, text: string): string {
  return `W/"${hash('sha256', `${contentType}\n${text}`, 'base64url').slice(0, 27)}"`
}

/**
 * Whether If-None-Match names the tag, so that the client has the answer already. Weak and strong tags compare by the
 * text between the quotes.
 */
export function hasTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  const opaque = tag.replace(/^W\//, '')
  return [...ifNoneMatch.matchAll(/"[^"]*"/g)].some(([given]) => given === opaque)
}
