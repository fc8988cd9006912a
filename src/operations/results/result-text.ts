import type { ExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'
import { locationsOf } from '../../graphql/indexed-source.ts'

const texts = new WeakMap<ExecutionResult, string>()

/** A result as JSON. */
export function resultText(result: ExecutionResult): string {
  return JSON.stringify(formatResult(result))
}

/** The JSON of a result that many subscribers share, written once. */
export function sharedResultText(result: ExecutionResult): string {
  let text = texts.get(result)
  if (text === undefined) texts.set(result, (text = resultText(result)))
  return text
}

/** JSON.stringify omits undefined members. */
function formatResult(result: ExecutionResult): object {
  if (result.errors === undefined) return result
  const { errors, ...rest } = result
  return { errors: errors.map(formatError), ...rest }
}

/** An error with its lines and columns. */
export function formatError(error: GraphQLError): GraphQLFormattedError {
  const { message, path, extensions } = error
  const locations = locationsOf(error)
  return { message, ...(locations && { locations }), ...(path && { path }), extensions }
}
