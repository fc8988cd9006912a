/**
 * The most errors in one answer. If there are more, another error says so. graphql-js stops at 100 errors of a
 * document, and has no limit for an execution.
 */
export const MOST_ERRORS = 50

/**
 * The longest message of one error, in UTF-16 units. A message repeats names of the document; for a circle of
 * fragments, all of them.
 */
export const LONGEST_MESSAGE = 1_000

/** Cuts a message that is too long, between characters. */
export function shortenMessage(message: string): string {
  if (message.length <= LONGEST_MESSAGE) return message
  return `${message.slice(0, LONGEST_MESSAGE - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}
