import { Fault } from '../fault.ts'
import { identifierProblem } from '../identifier.ts'
import { streamNameSchema } from '../stream/model.ts'

/**
 * Checks a natural key that a read was given: a malformed one can name nothing.
 * @throws Fault BAD_USER_INPUT naming the argument
 */
export function requireIdentifier(argument: string, text: string): string {
  const problem = identifierProblem(text)
  if (problem) throw new Fault('BAD_USER_INPUT', `${argument} ${problem}.`)
  return text
}

/** @throws Fault BAD_USER_INPUT naming the argument, where the text is no stream's name */
export function requireStream(argument: string, text: string): string {
  const parsed = streamNameSchema.safeParse(text)
  if (!parsed.success)
    throw new Fault('BAD_USER_INPUT', `${argument} ${parsed.error.issues[0]?.message ?? 'is no stream'}.`)
  return text
}
