import { z } from 'zod'
import { Fault } from '../errors/fault.ts'
import { type Platform, platformNamed } from './platforms/platform.ts'

/** The stream of a caller that names none. It is what the original Python project crawled. */
export const DEFAULT_STREAM = 'twitter/bookmarks'

const MAX_LENGTH = 255
/** A list may be named by an ID of its platform (youtube/PLrAXtmErZgOe), whose case counts. */
const NAME = /^[a-z0-9-]+\/[A-Za-z0-9_.-]+$/

/** The values of the column. ascending: a save below the stored item is refused, in the order of the platform's IDs. */
export type ItemOrdering = 'none' | 'ascending'

/** A list that is crawled, for any number of users. */
export interface Stream {
  readonly name: string
  readonly ordering: ItemOrdering
}

/**
 * A stream's name as an input field: "<platform>/<list>", at most 255 characters. The platform is in lower case; the
 * list keeps its case, so two names that differ in it are two lists.
 */
export const streamNameSchema = z
  .string()
  .max(MAX_LENGTH, `must not be longer than ${MAX_LENGTH} characters`)
  .regex(
    NAME,
    'must be "<platform>/<list>", the platform in lower case ([a-z0-9-]+/[A-Za-z0-9_.-]+), e.g. twitter/bookmarks',
  )

/**
 * The platform of a stream. An unknown one is OTHER, and so is a foreign writer's name that is not "<platform>/<list>".
 */
export function platformOf(stream: string): Platform {
  return platformNamed(stream.slice(0, Math.max(0, stream.indexOf('/'))))
}

/**
 * Checks the stream in an argument of a read: a malformed name can name nothing.
 * @returns the text
 * @throws Fault BAD_USER_INPUT that names the argument, if the text is no stream's name
 */
export function requireStream(argument: string, text: string): string {
  const parsed = streamNameSchema.safeParse(text)
  if (parsed.success) return text
  throw new Fault('BAD_USER_INPUT', `${argument} ${parsed.error.issues[0]?.message ?? 'is no stream'}.`)
}
