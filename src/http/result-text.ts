import type { ExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'

const texts = new WeakMap<ExecutionResult, string>()

/** A result as JSON. One that many subscribers share is written once. */
export function resultText(result: ExecutionResult): string {
  let text = texts.get(result)
  if (text === undefined) texts.set(result, (text = JSON.stringify(formatResult(result))))
  return text
}

function formatResult({ errors, ...rest }: ExecutionResult): object {
  return errors === undefined ? rest : { errors: errors.map(formatError), ...rest }
}

/** Without the HTTP status that a masked error carries for whoever answers. */
export function formatError(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...formatted } = error.toJSON()
  const { http: _http, ...told } = extensions ?? {}
  return { ...formatted, extensions: told }
}
