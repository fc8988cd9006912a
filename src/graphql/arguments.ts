import { Fault } from '../errors/fault.ts'
import { identifierProblem } from '../identity/identifier.ts'

/**
 * Checks a natural key that a read was given: a malformed one can name nothing.
 * @throws Fault BAD_USER_INPUT naming the argument
 */
export function requireIdentifier(argument: string, text: string): string {
  const problem = identifierProblem(text)
  if (problem) throw new Fault('BAD_USER_INPUT', `${argument} ${problem}.`)
  return text
}
