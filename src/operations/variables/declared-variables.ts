import type { OperationDefinitionNode } from 'graphql'
import { Fault } from '../../errors/fault.ts'

/**
 * The most bytes of a subscription's variables, as JSON. They are kept while it is open, and a caller may have a
 * thousand open.
 */
const MOST_BYTES_OF_STREAM = 8 * 1024

type Variables = Readonly<Record<string, unknown>>

/** The given variables that the operation declares. Others can be forgotten. */
export function declaredVariables(
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Variables | null | undefined,
): Variables | undefined {
  if (!given) return undefined
  // Without a prototype, so a variable may have any name.
  const declared = Object.create(null) as Record<string, unknown>
  for (const { variable } of variableDefinitions) {
    const name = variable.name.value
    if (Object.hasOwn(given, name)) declared[name] = given[name]
  }
  return declared
}

/** @throws Fault BAD_USER_INPUT if the variables are too large to be kept */
export function requireSmall(variables: Variables | undefined): void {
  if (variables && sizeOf(variables) > MOST_BYTES_OF_STREAM) {
    throw new Fault(
      'BAD_USER_INPUT',
      `The variables of a subscription have at most ${MOST_BYTES_OF_STREAM} bytes as JSON: subscribe with fewer filters, and leave out what you do not need.`,
    )
  }
}

function sizeOf(variables: Variables): number {
  try {
    return Buffer.byteLength(JSON.stringify(variables))
  } catch {
    // They nest too deep for JSON.stringify.
    return Infinity
  }
}
