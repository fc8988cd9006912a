import { nameProblem } from '../../identity/identifier.ts'

/** How far an ID's time may be ahead of the database's: the platforms' clocks are not ours. */
const CLOCK_TOLERANCE_MS = 60_000

/** What the item IDs of a platform are. Pure, and total: any text may be asked about, since foreign writers check nothing. */
export interface ItemIds {
  /** Whether the platform's IDs have an order at all; false: orderKey never gives a key. */
  readonly ordered: boolean
  /**
   * Says what is wrong with an item ID, or undefined where nothing is.
   * @param now the database's time: an ID that carries a later one (by more than a minute) was not made yet
   */
  problem(itemId: string, now: Date): string | undefined
  /**
   * The place of an ID in its platform's order: "<class>:<rank>", ASCII, up to 40 characters. Keys of one class compare as
   * the platform's IDs do, byte by byte (as PostgreSQL does under COLLATE "C"); keys of different classes don't compare
   * (a Reddit comment and a link). Platforms with one class leave it empty: ":0000000000000000020".
   * undefined: this platform's IDs have no order, or this one is invalid.
   */
  orderKey(itemId: string): string | undefined
  /** When the item was published, where its ID says so (always within years 1 to 9999); null where it doesn't. */
  publishedAt(itemId: string): Date | null
}

/** Item IDs of which nothing is known but that they fit the column: 1 to 255 characters, none a control character. */
export const textItemIds: ItemIds = {
  ordered: false,
  problem: nameProblem,
  orderKey: () => undefined,
  publishedAt: () => null,
}

/** What an ID says, taken apart. */
export interface ItemIdParts {
  /** Which IDs it compares with, without a colon; empty where the platform's IDs all compare. */
  readonly orderClass: string
  /** Its place among them: of one length within a class, so that bytes decide. */
  readonly rank: string
  readonly publishedAt: Date | null
}

/** A form of IDs that have an order. */
export interface ItemIdForm {
  /** As in "is no tweet ID". */
  readonly name: string
  /** What to send instead. */
  readonly hint: string
  /** What the time in it is called, as in "its Snowflake time"; "time" unless given. */
  readonly timeName?: string
  /** Takes an ID apart; undefined where the text isn't of this form. Must not throw. */
  readonly read: (itemId: string) => ItemIdParts | undefined
}

/** The item IDs of one form, whose time, if they carry one, must have been. */
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
      const parts = read(itemId)
      return parts && `${parts.orderClass}:${parts.rank}`
    },
    publishedAt: (itemId) => read(itemId)?.publishedAt ?? null,
  }
}
