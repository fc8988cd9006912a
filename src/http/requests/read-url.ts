import type { IncomingMessage } from 'node:http'
import { RefusedRequest } from './refused-request.ts'

const TEXTS = ['query', 'documentId', 'operationName']
const JSON_VALUES = ['variables', 'extensions']

/**
 * Reads the members of a GraphQL request from a URL (https://graphql.github.io/graphql-over-http/draft/#sec-GET). An
 * empty parameter counts as absent. Unknown parameters are ignored.
 * @throws RefusedRequest 400 if a parameter is not percent-encoded UTF-8, occurs twice, or should be JSON and is not
 */
export function readUrlParameters({ url = '' }: IncomingMessage): Record<string, unknown> {
  const members: Record<string, unknown> = {}
  const start = url.indexOf('?')
  for (const pair of start === -1 ? [] : url.slice(start + 1).split('&')) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? pair : pair.slice(0, equals)
    if (!TEXTS.includes(name) && !JSON_VALUES.includes(name)) continue
    if (Object.hasOwn(members, name)) throw refuse(`has "${name}" twice: send it once`)
    const text = decode(name, pair.slice(name.length + 1))
    members[name] = text === '' ? undefined : TEXTS.includes(name) ? text : parse(name, text)
  }
  return members
}

/**
 * Decodes as browsers encode forms: a plus is a space. Unlike URLSearchParams it does not turn bytes that are not UTF-8
 * into U+FFFD. (Node refuses URLs with characters outside ASCII.)
 */
function decode(name: string, encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch (cause) {
    throw refuse(`has a "${name}" that is not percent-encoded UTF-8`, cause)
  }
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw refuse(`has "${name}" that are not valid JSON`, cause)
  }
}

function refuse(what: string, cause?: unknown): RefusedRequest {
  return new RefusedRequest(400, `The URL ${what}.`, {}, { cause })
}
