import type { PothosEnumTypeConfig } from '@pothos/core'
import { type DomainError, InvalidInputError, type InputIssue } from '../errors/domain-error.ts'
import { builder } from './builder.ts'

/** Has the codes of all errors that were passed to userError. */
const ErrorCode = builder.enumType('ErrorCode', {
  description: 'The kind of a refusal. More kinds may come: treat an unknown one as a failure, and show its message.',
  values: [] as readonly string[],
})

const UserErrorInterface = builder.interfaceRef<DomainError>('UserError').implement({
  description: 'An expected refusal. Nothing was written.',
  fields: (t) => ({
    code: t.field({
      type: ErrorCode,
      description: 'The kind of the refusal, for programs.',
      resolve: (error) => error.code,
    }),
    message: t.exposeString('message', { description: 'What was wrong and what to do, for people.' }),
  }),
})

/**
 * The options of builder.objectType for an error of a domain. Adds the error's code to the enum. A result union can
 * then have the class as a member.
 * @param error.meaning the description of the code, in a few words
 * @param error.description the description of the type: what happened, and what to do
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
  description: 'One wrong value of an input.',
  fields: (t) => ({
    path: t.stringList({
      description: 'The place of the value in the arguments, e.g. ["input", "itemId"].',
      resolve: ({ path }) => [...path],
    }),
    message: t.exposeString('message', { description: 'What is wrong with the value.' }),
  }),
})

builder.objectType(InvalidInputError, {
  ...userError({
    name: 'InvalidInputError',
    code: 'INVALID_INPUT',
    meaning: 'A value of the input is wrong. `issues` names each.',
    description: 'A value of the input is wrong. Correct each that `issues` names.',
  }),
  fields: (t) => ({
    issues: t.field({
      type: [InputIssueType],
      description: 'All values that are wrong.',
      // Priced as one: more are rare, and each of ten thousand saves may have issues (limits/cost.ts).
      extensions: { pricedItems: 1 },
      resolve: ({ issues }) => [...issues],
    }),
  }),
})
