import {
  coerceInputValue,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  isInputType,
  isNonNullType,
  type OperationDefinitionNode,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql'
import { MOST_ERRORS } from '../../limits/error-limits.ts'

/** Whether an operation was refused before anything ran. For a valid document only its variables can be the reason. */
export function isRefused(result: ExecutionResult): boolean {
  return result.errors !== undefined && !('data' in result)
}

/** Every input of the schema is smaller than this, and less deep. */
const MOST_MEMBERS = 50
const DEEPEST = 6

/**
 * Whether a value contains an object with more members than any input has. graphql-js repeats the whole object in each
 * of its errors: one of 100,000 members took it 12 s.
 */
export function hasLargeObject(value: unknown, depth = DEEPEST): boolean {
  if (typeof value !== 'object' || value === null || depth === 0) return false
  if (Array.isArray(value)) return value.some((item) => hasLargeObject(item, depth - 1))
  const members: unknown[] = Object.values(value)
  return members.length > MOST_MEMBERS || members.some((member) => hasLargeObject(member, depth - 1))
}

/**
 * Finds why variables do not fit their operation. The messages do not repeat values: graphql-js' own do, and a client's
 * log may be the wrong place for a token that was sent as the wrong variable.
 * @returns empty if all fit; at most 50, and one that says that there are more
 */
export function findVariableErrors(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
): readonly GraphQLError[] {
  const errors: GraphQLError[] = []
  const add = (definition: VariableDefinitionNode, what: string) => {
    // Checking 500,000 wrong items of a list takes half a minute.
    if (errors.length >= MOST_ERRORS) throw new TooManyErrors()
    errors.push(new GraphQLError(`Variable "$${definition.variable.name.value}" ${what}`, { nodes: definition }))
  }
  try {
    judgeVariables(schema, operation, variables, add)
  } catch (error) {
    if (!(error instanceof TooManyErrors)) throw error
    errors.push(new GraphQLError(`The variables have more errors: correct these ${MOST_ERRORS} first.`))
  }
  return errors
}

class TooManyErrors extends Error {}

function judgeVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
  add: (definition: VariableDefinitionNode, what: string) => void,
): void {
  for (const definition of operation.variableDefinitions ?? []) {
    const name = definition.variable.name.value
    const type = typeFromAST(schema, definition.type)
    if (!isInputType(type)) continue
    const isGiven = variables != null && Object.hasOwn(variables, name)
    const value: unknown = isGiven ? variables[name] : undefined
    if (value == null) {
      if (!isNonNullType(type) || (!isGiven && definition.defaultValue)) continue
      const what = isGiven ? 'must not be null' : 'was not provided'
      add(definition, `of required type "${String(type)}" ${what}.`)
      continue
    }
    const tell: Parameters<typeof coerceInputValue>[2] = (path, _value, error) => {
      const place = path.length > 0 ? ` at "${name}${path.map(textOf).join('')}"` : ''
      add(definition, `has a value${place} that does not fit: ${withoutValue(error.message)}`)
    }
    const hideSuggestions = true
    coerceInputValue(value, type, tell, hideSuggestions)
  }
}

function textOf(key: string | number): string {
  return typeof key === 'number' ? `[${key}]` : `.${key}`
}

/**
 * Messages of graphql-js that name only a type. All others may repeat a value, and are shortened. A scalar's message
 * keeps what the scalar cannot represent.
 */
const HARMLESS = [
  /^Expected non-nullable type "[^"]*" not to be null\.$/,
  /^Expected type "[^"]*" to be an object\.$/,
  /^Field "\w+" of required type "[^"]*" was not provided\.$/,
  /^DateTime cannot represent a date before the year 1$/,
  /^DateTime must be an RFC 3339 date and time /,
]
const OF_SCALAR = /^((?:\w+|Enum "\w+") cannot represent ([a-z0-9 -]+ )?value): /
const OF_ENUM = /(does not exist in "\w+" enum)/
const OF_FIELD = /is not defined by type ("\w+")/
const EXPECTED = /^Expected type "[^"]*"/

function withoutValue(message: string): string {
  if (HARMLESS.some((pattern) => pattern.test(message))) return message
  const [, scalar] = OF_SCALAR.exec(message) ?? []
  if (scalar !== undefined) return `${scalar}.`
  const [, unknown] = OF_ENUM.exec(message) ?? []
  if (unknown !== undefined) return `it ${unknown}.`
  const [, type] = OF_FIELD.exec(message) ?? []
  if (type !== undefined) return `it has a field that ${type} does not have.`
  return `${EXPECTED.exec(message)?.[0] ?? 'it is not a value of its type'}.`
}
