/** Of one answer; where there are more, another one says so. graphql-js has 100 of a document, all of an execution. */
export const MOST_ERRORS = 50

/** Of one error, in UTF-16 units. A message repeats names of the document: for a circle of fragments, all of them. */
export const LONGEST_MESSAGE = 1_000

/** Cuts what is too long, between characters. */
export function shortenMessage(message: string): string {
  if (message.length <= LONGEST_MESSAGE) return message
  return `${message.slice(0, LONGEST_MESSAGE - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
