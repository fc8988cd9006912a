import { type DocumentNode, Kind, visit, BREAK } from 'graphql'

/** Whether a document queries the schema. `__typename` does not count. */
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
