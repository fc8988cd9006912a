import { z } from 'zod'
import { Fault } from '../errors/fault.ts'
import { type Platform, platformNamed } from './platforms/platform.ts'

/** The stream that a caller means who names none: what the original Python project crawled. */
export const DEFAULT_STREAM = 'twitter/bookmarks'

const MAX_LENGTH = 255
const NAME = /^[a-z0-9-]+\/[a-z0-9_.-]+$/

/** The words of the column. ascending: a save below the stored item is refused, as the platform's IDs compare. */
export type ItemOrdering = 'none' | 'ascending'

/** A list that is crawled, of however many users. */
export interface Stream {
  readonly name: string
  readonly ordering: ItemOrdering
}

/** A stream's name as an input field: "<platform>/<list>" in lower case, at most 255 characters. */
export const streamNameSchema = z
  .string()
  .max(MAX_LENGTH, `must not be longer than ${MAX_LENGTH} characters`)
  .regex(NAME, 'must be "<platform>/<list>" in lower case ([a-z0-9-]+/[a-z0-9_.-]+), e.g. twitter/bookmarks')

/** The platform of a stream; one that we don't know, or a name that isn't "<platform>/<list>" (a foreign writer's), is OTHER. */
export function platformOf(stream: string): Platform {
  return platformNamed(stream.slice(0, Math.max(0, stream.indexOf('/'))))
}

/**
 * Checks a stream that a read was given: a malformed one can name nothing.
 * @throws Fault BAD_USER_INPUT naming the argument, where the text is no stream's name
 */
export function requireStream(argument: string, text: string): string {
  const parsed = streamNameSchema.safeParse(text)
  if (parsed.success) return text
  throw new Fault('BAD_USER_INPUT', `${argument} ${parsed.error.issues[0]?.message ?? 'is no stream'}.`)
}
