import { z } from 'zod'
import type { KeysetPage, Page, Position } from '../database/keyset.ts'
import { Fault } from '../errors/fault.ts'
import { type CursorValue, isCursorValue } from './cursor-value.ts'

export const DEFAULT_PAGE_SIZE = 20
export const MAX_PAGE_SIZE = 100
/** The page sizes for the cost limit, which prices a list before it is read. */
export const PAGE_SIZES = { default: DEFAULT_PAGE_SIZE, most: MAX_PAGE_SIZE } as const

/** The paths on which the nodes of a list are selected, for queryFromInfo. */
export const NODE_PATHS = [['nodes'], ['edges', 'node']]

/** The arguments of every list. */
export interface PageArguments {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
  readonly last?: number | null | undefined
  readonly before?: string | null | undefined
}

const size = z
  .number()
  .int()
  .min(0, 'must not be negative')
  .max(MAX_PAGE_SIZE, `must not be above ${MAX_PAGE_SIZE}: ask for the next page with after: endCursor`)
  .nullish()

/** Checks the page sizes of a list's arguments, for the validation plugin. */
export const pageArgumentsSchema = z
  .looseObject({ first: size, last: size })
  .refine(
    ({ first, last }) => !(isGiven(first) && isGiven(last)),
    'first and last cannot go together: send one of them',
  )

/**
 * Turns a list's arguments into the page to read.
 * @param list the name of the list and its order; a cursor of another one is refused
 * @param values the types of the values in a cursor of this list
 * @throws Fault BAD_USER_INPUT for a cursor that this list did not make
 */
export function toKeysetPage(list: string, values: readonly CursorValue[], args: PageArguments): KeysetPage {
  const backward = isGiven(args.last)
  return {
    limit: (backward ? args.last : args.first) ?? DEFAULT_PAGE_SIZE,
    backward,
    after: isGiven(args.after) ? decodeCursor(list, values, args.after) : undefined,
    before: isGiven(args.before) ? decodeCursor(list, values, args.before) : undefined,
  }
}

/**
 * Turns a page into what the relay plugin expects. `totalCount` is a function, so that it is counted only if selected.
 * @param more for a list with a feed: the feed's cursor, taken before the list was read
 */
export function toConnection<Node>(
  list: string,
  page: KeysetPage,
  { rows, hasMore }: Page<Node>,
  totalCount: () => Promise<number>,
  more: { readonly feedCursor?: string } = {},
) {
  const edges = rows.map(({ node, position }) => new Edge(node, list, position))
  return {
    edges,
    totalCount,
    ...more,
    pageInfo: {
      hasNextPage: page.backward ? page.before !== undefined : hasMore,
      hasPreviousPage: page.backward ? hasMore : page.after !== undefined,
      get startCursor() {
        return edges.at(0)?.cursor ?? null
      },
      get endCursor() {
        return edges.at(-1)?.cursor ?? null
      },
    },
  }
}

/** Makes its cursor only when it is read: a query of `nodes` needs none. */
class Edge<Node> {
  readonly node: Node
  readonly #list: string
  readonly #position: Position | undefined

  constructor(node: Node, list: string, position: Position | undefined) {
    this.node = node
    this.#list = list
    this.#position = position
  }

  get cursor(): string {
    if (!this.#position) throw new Error('a cursor was selected, but its position was not read')
    return encodeCursor(this.#list, this.#position)
  }
}

function encodeCursor(list: string, position: readonly string[]): string {
  return Buffer.from(JSON.stringify([list, ...position])).toString('base64url')
}

function decodeCursor(list: string, values: readonly CursorValue[], cursor: string): readonly string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    const [madeBy, ...position] = z
      .array(z.string())
      .length(values.length + 1)
      .parse(parts)
    if (madeBy === list && values.every((value, place) => isCursorValue(value, position[place] ?? ''))) return position
  } catch {
    // The Fault below is the answer.
  }
  throw new Fault(
    'BAD_USER_INPUT',
    'This is no cursor of this list in this order: send startCursor or endCursor of one of its pages.',
  )
}

function isGiven<Value>(value: Value | null | undefined): value is Value {
  return value !== null && value !== undefined
}
