import { Prisma } from './generated/client.ts'

/** Where a page begins or ends: the values of the sort key as text, with full precision. */
export type Position = readonly string[]

/**
 * A page of an ordered list. It is found by the keys of the rows around it, not by an offset, so that rows that are
 * added or removed meanwhile shift nothing.
 */
export interface KeysetPage {
  /** The most rows, 0 to 100. */
  readonly limit: number
  /** True: the last rows of the range instead of the first. */
  readonly backward: boolean
  readonly after: Position | undefined
  readonly before: Position | undefined
}

export interface Entry<Node> {
  readonly node: Node
  /** undefined: it was not read, because no cursor was asked for. */
  readonly position: Position | undefined
}

export interface Page<Node> {
  readonly rows: readonly Entry<Node>[]
  /** Whether there is at least one more row in the direction of paging. */
  readonly hasMore: boolean
}

export type Direction = 'ASC' | 'DESC'

const opposite = { ASC: 'DESC', DESC: 'ASC' } as const

export const keysetSql = {
  /** The condition that keeps the rows between `after` and `before`. The columns are compared as one row value. */
  after(columns: readonly Prisma.Sql[], direction: Direction, page: KeysetPage): Prisma.Sql {
    const [greater, less] =
      direction === 'ASC' ? [Prisma.raw('>'), Prisma.raw('<')] : [Prisma.raw('<'), Prisma.raw('>')]
    const conditions = [
      page.after && Prisma.sql`(${Prisma.join([...columns])}) ${greater} (${Prisma.join([...page.after])})`,
      page.before && Prisma.sql`(${Prisma.join([...columns])}) ${less} (${Prisma.join([...page.before])})`,
    ].filter((condition) => condition !== undefined)
    return conditions.length === 0 ? Prisma.sql`TRUE` : Prisma.join(conditions, ' AND ')
  },

  /** Reads one row more than the page holds, which shows whether there are more. */
  orderAndLimit(columns: readonly Prisma.Sql[], direction: Direction, page: KeysetPage): Prisma.Sql {
    const order = Prisma.raw(page.backward ? opposite[direction] : direction)
    const terms = columns.map((column) => Prisma.sql`${column} ${order}`)
    return Prisma.sql`ORDER BY ${Prisma.join(terms)} LIMIT ${page.limit + 1}`
  },
}

/**
 * The same for a list that Prisma reads in the order of one field. The field must not be a time: a JavaScript Date cuts
 * off microseconds, and rows would be missed.
 * @param parse turns a position's text into the field's value
 */
export function keysetArguments<Field extends string, Value>(
  field: Field,
  direction: Direction,
  page: KeysetPage,
  parse: (text: string) => Value,
) {
  const [greater, less] = direction === 'ASC' ? (['gt', 'lt'] as const) : (['lt', 'gt'] as const)
  const [after, before] = [page.after?.[0], page.before?.[0]]
  const range = {
    ...(after !== undefined && { [greater]: parse(after) }),
    ...(before !== undefined && { [less]: parse(before) }),
  }
  const order = page.backward ? opposite[direction] : direction
  return {
    where: { [field]: range } as Record<Field, { gt?: Value; lt?: Value }>,
    orderBy: { [field]: order === 'ASC' ? 'asc' : 'desc' } as Record<Field, 'asc' | 'desc'>,
    take: page.limit + 1,
  }
}

/** Removes the extra row, and puts a backward page into the list's order. */
export function pageOf<Row, Node>(
  rows: readonly Row[],
  page: KeysetPage,
  toEntry: (row: Row) => Entry<Node>,
): Page<Node> {
  const kept = rows.slice(0, page.limit).map(toEntry)
  return { rows: page.backward ? kept.reverse() : kept, hasMore: rows.length > page.limit }
}
