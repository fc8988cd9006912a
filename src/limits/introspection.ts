import { type DocumentNode, Kind, visit, BREAK } from 'graphql'

/** Whether a document asks for the schema; `__typename` is none of it. */
export function asksForSchema(document: DocumentNode): boolean {
  let found = false
  visit(document, {
    [Kind.FIELD]({ name }) {
      if (name.value !== '__schema' && name.value !== '__type') return undefined
      found = true
      return BREAK
    },
  })
  return found
}
