import { parseArgs } from 'node:util'
import { StartupError } from '../errors/startup-error.ts'

export const KEY_USAGE = `  key create <client> --scopes read,crawl [--user <userId>]... [--days <n>]
                 make an API key and print it, once (docs/access.md)
  key list       every key, without its secret
  key revoke <keyId>
                 end a key within 30 s`

const MOST_DAYS = 36_500

export interface KeyArguments {
  readonly command: 'create' | 'list' | 'revoke'
  /** The client, or the ID of the key. */
  readonly name: string
  readonly scopes: readonly string[]
  readonly users: readonly string[] | undefined
  readonly days: number | undefined
}

/** Reads the arguments after `key`. @throws StartupError if they are wrong */
export function readKeyArguments(args: readonly string[]): KeyArguments {
  const { positionals, values } = parse(args)
  const [command, name, ...rest] = positionals
  const isList = command === 'list' && name === undefined
  const named = (command === 'create' || command === 'revoke') && name !== undefined && rest.length === 0
  const hasOptions = Object.keys(values).length > 0
  if ((!isList && !named) || (command !== 'create' && hasOptions)) throw usageError()
  const days = values.days === undefined ? undefined : Number(values.days)
  if (days !== undefined && !(Number.isInteger(days) && days >= 1 && days <= MOST_DAYS)) {
    throw new StartupError(`--days must be a whole number from 1 to ${MOST_DAYS}.`)
  }
  if (command === 'create' && values.scopes === undefined) {
    throw new StartupError(
      'key create needs --scopes: one or more of read, crawl, operate, admin, separated by commas.',
    )
  }
  return { command, name: name ?? '', scopes: values.scopes?.split(',') ?? [], users: values.user, days }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { scopes: { type: 'string' }, user: { type: 'string', multiple: true }, days: { type: 'string' } },
    })
  } catch {
    throw usageError()
  }
}

function usageError(): StartupError {
  return new StartupError(
    'send key create <client> --scopes read,crawl [--user <userId>]... [--days <n>], key list, or key revoke <keyId>.',
  )
}
