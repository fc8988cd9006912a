/** One member of a header such as Accept: its name in lower case, and its weight. */
export interface Weighted {
  readonly name: string
  /** 0 to 1; 0: not accepted. */
  readonly weight: number
}

/**
 * Reads a list of names with quality values (https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2), in the order of
 * the header. Parameters other than `q` are ignored. A weight that is not a number between 0 and 1 counts as 1.
 */
export function readWeights(header: string): readonly Weighted[] {
  return header
    .toLowerCase()
    .split(',')
    .map((member) => {
      const [name = '', ...parameters] = member.split(';').map((part) => part.trim())
      const weight = parameters
        .map((parameter) => /^q\s*=\s*(.*)$/.exec(parameter)?.[1])
        .find((text) => text !== undefined)
      return { name, weight: weightOf(weight) }
    })
    .filter(({ name }) => name !== '')
}

function weightOf(text: string | undefined): number {
  return text !== undefined && /^(0(\.\d*)?|1(\.0*)?|\.\d+)$/.test(text) ? Number(text) : 1
}

/**
 * Remembers the results of a function of a header's text: clients send only a few different texts. The number of
 * remembered texts is bounded, because callers choose them.
 * @param read must be pure
 */
export function remembering<Result>(read: (header: string) => Result): (header: string) => Result {
  const known = new Map<string, Result>()
  return (header) => {
    const found = known.get(header)
    if (found !== undefined) return found
    const result = read(header)
    if (known.size < MOST_KNOWN && header.length <= LONGEST_KNOWN) known.set(header, result)
    return result
  }
}

const MOST_KNOWN = 64
const LONGEST_KNOWN = 200
