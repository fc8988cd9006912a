import type { PothosEnumTypeConfig } from '@pothos/core'
import { type DomainError, InvalidInputError, type InputIssue } from '../errors/domain-error.ts'
import { builder } from './builder.ts'

/** Its values are those that userError was given. */
const ErrorCode = builder.enumType('ErrorCode', {
  description: 'What kept an operation from succeeding. May grow: treat an unknown code as a failure with a message.',
  values: [] as readonly string[],
})

const UserErrorInterface = builder.interfaceRef<DomainError>('UserError').implement({
  description: 'Something that a caller can expect. Nothing was written.',
  fields: (t) => ({
    code: t.field({ type: ErrorCode, resolve: (error) => error.code }),
    message: t.exposeString('message', { description: 'What was wrong and what to do.' }),
  }),
})

/**
 * The options of builder.objectType for an error of a domain. Gives its code a place in the enum; a result union then takes the class as
 * a member.
 * @param error.meaning what the code says, in a few words
 * @param error.description what the type says: what happened, and what to do
 */
export function userError({
  name,
  code,
  meaning,
  description,
}: {
  readonly name: string
  readonly code: string
  readonly meaning: string
  readonly description: string
}) {
  ErrorCode.updateConfig((config: PothosEnumTypeConfig) => {
    const known = typeof config.values === 'function' ? config.values() : config.values
    return { ...config, values: { ...known, [code]: { description: meaning } } }
  })
  return { name, description, interfaces: [UserErrorInterface] }
}

const InputIssueType = builder.objectRef<InputIssue>('InputIssue').implement({
  description: 'One wrong value.',
  fields: (t) => ({
    path: t.stringList({
      description: 'Where it stands in the arguments, e.g. ["input", "itemId"].',
      resolve: ({ path }) => [...path],
    }),
    message: t.exposeString('message', { description: 'What is wrong with it.' }),
  }),
})

builder.objectType(InvalidInputError, {
  ...userError({
    name: 'InvalidInputError',
    code: 'INVALID_INPUT',
    meaning: 'A value is wrong; `issues` names each.',
    description: 'One or more values are wrong.',
  }),
  fields: (t) => ({
    issues: t.field({
      type: [InputIssueType],
      // Rarely more, and ten thousand saves may each have one: see http/limits/cost.ts.
      extensions: { pricedItems: 1 },
      resolve: ({ issues }) => [...issues],
    }),
  }),
})
