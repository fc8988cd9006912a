import { Fault } from '../errors/fault.ts'
import { identifierProblem, nameProblem } from '../identity/identifier.ts'

/**
 * Checks a natural key (a user ID, a stream or a session ID) that a read got as an argument.
 * @param argument the argument's name, for the message
 * @returns the text
 * @throws Fault BAD_USER_INPUT that names the argument
 */
export function requireIdentifier(argument: string, text: string): string {
  const problem = identifierProblem(text)
  if (problem) throw new Fault('BAD_USER_INPUT', `${argument} ${problem}.`)
  return text
}

/**
 * Checks any other name that a read got as an argument, such as a worker.
 * @returns the text
 * @throws Fault BAD_USER_INPUT that names the argument
 */
export function requireName(argument: string, text: string): string {
  const problem = nameProblem(text)
  if (problem) throw new Fault('BAD_USER_INPUT', `${argument} ${problem}.`)
  return text
}
