import { nameProblem } from '../../identity/identifier.ts'

/** How far an ID's time may be ahead of the database's, milliseconds: the platforms have their own clocks. */
const CLOCK_TOLERANCE_MS = 60_000

/** The item IDs of a platform. The functions are pure and accept any text, since foreign writers check nothing. */
export interface ItemIds {
  /** Whether the platform's IDs have an order; false: orderKey never returns a key. */
  readonly ordered: boolean
  /**
   * What is wrong with an item ID; undefined: nothing.
   * @param now the database's time. An ID whose time is more than a minute later was not made yet
   */
  problem(itemId: string, now: Date): string | undefined
  /**
   * The place of an ID in its platform's order: "<class>:<rank>", ASCII, up to 275 characters. Keys of one class
   * compare as the platform's IDs do, byte by byte (as PostgreSQL does under COLLATE "C"). Keys of different classes
   * do not compare (a Reddit comment and a link). Platforms with one class leave it empty: ":0000000000000000020".
   * @returns undefined: this platform's IDs have no order, this ID has no place in it, or this ID is invalid
   */
  orderKey(itemId: string): string | undefined
  /** When the item was published, if its ID says so (always within the years 1 to 9999); null: it does not. */
  publishedAt(itemId: string): Date | null
}

/** Item IDs of unknown form. They need only fit the column: 1 to 255 characters, no control character. */
export const textItemIds: ItemIds = {
  ordered: false,
  problem: nameProblem,
  orderKey: () => undefined,
  publishedAt: () => null,
}

/** The parts of an ID. */
export interface ItemIdParts {
  /** undefined: it compares with no other ID. */
  readonly order?: {
    /** An ID compares with those of the same class. No colon in it; empty: all IDs of the platform compare. */
    readonly orderClass: string
    /** Its place in the class. All ranks of a class have the same length, so that bytes decide. */
    readonly rank: string
  }
  readonly publishedAt: Date | null
}

/** A form of IDs that have an order. */
export interface ItemIdForm {
  /** As in "is no tweet ID". */
  readonly name: string
  /** What to send instead. */
  readonly hint: string
  /** The name of the time in it, as in "its Snowflake time". Default: "time". */
  readonly timeName?: string
  /** Takes an ID apart; undefined: the text is not of this form. It must not throw. */
  readonly read: (itemId: string) => ItemIdParts | undefined
}

/** The item IDs of one form. If an ID carries a time, it must not be in the future. */
export function orderedItemIds({ name, hint, timeName = 'time', read }: ItemIdForm): ItemIds {
  return {
    ordered: true,
    problem(itemId, now) {
      const parts = read(itemId)
      if (!parts) return `is no ${name}: ${hint}`
      const { publishedAt } = parts
      if (publishedAt && publishedAt.getTime() > now.getTime() + CLOCK_TOLERANCE_MS) {
        return `is no ${name} yet: its ${timeName} is ${publishedAt.toISOString()}, which is still to come`
      }
      return undefined
    },
    orderKey(itemId) {
      const order = read(itemId)?.order
      return order && `${order.orderClass}:${order.rank}`
    },
    publishedAt: (itemId) => read(itemId)?.publishedAt ?? null,
  }
}
