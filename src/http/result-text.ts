import type { ExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'

const texts = new WeakMap<ExecutionResult, string>()

/** A result as JSON. */
export function resultText(result: ExecutionResult): string {
  return JSON.stringify(formatResult(result))
}

/** A result that many subscribers share as JSON, written once. */
export function sharedResultText(result: ExecutionResult): string {
  let text = texts.get(result)
  if (text === undefined) texts.set(result, (text = resultText(result)))
  return text
}

/** JSON leaves out what is undefined. */
function formatResult(result: ExecutionResult): object {
  if (result.errors === undefined) return result
  const { errors, ...rest } = result
  return { errors: errors.map(formatError), ...rest }
}

/** Without the HTTP status that a masked error carries for whoever answers. */
export function formatError(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...formatted } = error.toJSON()
  const { http: _http, ...told } = extensions ?? {}
  return { ...formatted, extensions: told }
}
