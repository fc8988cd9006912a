import { z } from 'zod'

/** VARCHAR(255) counts characters, not bytes or UTF-16 units. */
const MAX_LENGTH = 255

// C0, DEL and C1 controls, and lone surrogates: UTF-8 cannot carry these, so PostgreSQL would store something else.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u

/** Decoders put this in place of bytes that are not text. Two names that differ in such bytes would become one. */
const REPLACEMENT = '\ufffd'

/** The types whose objects have an `id: ID!`. */
export const NODE_TYPES: readonly string[] = ['User', 'Checkpoint', 'CheckpointRevision', 'CrawlSession', 'Stream']

/** Counts characters as PostgreSQL does: code points, of which there are never more than UTF-16 units. */
function isTooLong(text: string, maxLength: number): boolean {
  return text.length > maxLength && Array.from(text).length > maxLength
}

/**
 * What keeps a text from being stored as a name: it is empty, has over 255 characters, control characters or U+FFFD;
 * undefined: nothing.
 */
export function nameProblem(text: string): string | undefined {
  if (text === '') return 'must not be empty'
  if (isTooLong(text, MAX_LENGTH)) return `must not be longer than ${MAX_LENGTH} characters`
  if (FORBIDDEN.test(text)) return 'must not contain control characters'
  if (text.includes(REPLACEMENT))
    return 'must not contain U+FFFD, which stands for bytes that are not UTF-8: send them as UTF-8'
  return undefined
}

/**
 * What is wrong with a natural key (user ID, session ID); undefined: nothing.
 * A global `id` is refused although it would be a legal text. A client that sends one has mixed up the two kinds of
 * names, and would make a second, empty user out of it.
 */
export function identifierProblem(text: string): string | undefined {
  const problem = nameProblem(text)
  if (problem) return problem
  if (isGlobalId(text)) return 'is a global id; send the natural key (userId, sessionId), or ask node(id:) with it'
  return undefined
}

/**
 * How the base64 of "<type>:" begins, in whole groups. Nearly no other text begins so; to decode each text took 1 % of
 * a read.
 */
const GLOBAL_ID_STARTS = NODE_TYPES.map((name) => {
  const whole = name.slice(0, name.length - (name.length % 3))
  return Buffer.from(whole).toString('base64')
})

/** Whether the text is an `id: ID!` of this API: base64 of "<type>:<key>". */
function isGlobalId(text: string): boolean {
  if (!GLOBAL_ID_STARTS.some((start) => text.startsWith(start))) return false
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return false
  const decoded = Buffer.from(text, 'base64').toString('utf8')
  return NODE_TYPES.some((name) => decoded.startsWith(`${name}:`))
}

/** A natural key as an input field: 1 to 255 characters, no control character, not a global id. */
export const identifierSchema = z.string().superRefine((text, context) => {
  const problem = identifierProblem(text)
  if (problem) context.addIssue({ code: 'custom', message: problem })
})

/** Any other name that must fit VARCHAR(255): a worker, an idempotency key. */
export const nameSchema = z.string().superRefine((text, context) => {
  const problem = nameProblem(text)
  if (problem) context.addIssue({ code: 'custom', message: problem })
})

/** Free text (paths, messages): everything that PostgreSQL can store. @param maxLength in characters */
export function freeTextSchema(maxLength: number) {
  return z
    .string()
    .refine((text) => !/\u0000|\p{Surrogate}/u.test(text), 'must not contain NUL or unpaired surrogates')
    .refine((text) => !isTooLong(text, maxLength), `must not be longer than ${maxLength} characters`)
}

/** A total or an increment of bookmarks: 0 to 2^31-1, the range of the column. */
export const bookmarkCountSchema = z.number().int().min(0, 'must not be negative').max(2_147_483_647)
