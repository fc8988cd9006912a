/** Of one answer, which has one more then: how many were left out. graphql-js itself tells a hundred of a document, and all of an execution. */
export const MOST_ERRORS = 50

/** Of one error: it repeats names of the document, and for a circle of fragments all of them. */
export const LONGEST_MESSAGE = 1_000

/** Cuts what is too long, between characters. */
export function shortenMessage(message: string): string {
  if (message.length <= LONGEST_MESSAGE) return message
  return `${message.slice(0, LONGEST_MESSAGE - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
