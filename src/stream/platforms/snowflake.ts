import { type ItemIds, orderedItemIds } from './item-ids.ts'

/** The largest signed 64-bit integer, which is the highest Snowflake. */
const MAX_ID = 2n ** 63n - 1n
const MAX_DIGITS = MAX_ID.toString().length

/** Where the time is in a platform's Snowflakes. */
export interface SnowflakeLayout {
  /** The Unix time of the layout's zero, milliseconds. */
  readonly epochMs: bigint
  /** How many bits are below the milliseconds: machine, worker, sequence. */
  readonly timeShiftBits: bigint
  /** The lowest ID that carries a time. Lower IDs are valid, but were counted up one by one. */
  readonly firstWithTime: bigint
}

/** Reads a decimal ID, 1 to 2^63-1 without leading zeros; undefined: the text is not one. */
export function readDecimalId(text: string): bigint | undefined {
  if (!/^[1-9][0-9]{0,18}$/.test(text)) return undefined
  const id = BigInt(text)
  return id <= MAX_ID ? id : undefined
}

/** The rank of a decimal ID: padded to one length. */
export function decimalRank(id: bigint): string {
  return id.toString().padStart(MAX_DIGITS, '0')
}

/**
 * The time in a Snowflake; null: the ID is below the layout's first with a time.
 * @param id 1 to 2^63-1: with at least 16 bits below the time, that is before the year 6430
 */
export function snowflakeTime(id: bigint, layout: SnowflakeLayout): Date | null {
  if (id < layout.firstWithTime) return null
  return new Date(Number((id >> layout.timeShiftBits) + layout.epochMs))
}

/** Item IDs that are bare Snowflakes: decimal, 1 to 2^63-1, ordered as numbers. */
export function snowflakeIds(name: string, layout: SnowflakeLayout): ItemIds {
  return orderedItemIds({
    name,
    hint: `send the decimal ID (1 to ${MAX_ID}) as a string, without leading zeros`,
    timeName: 'Snowflake time',
    read(itemId) {
      const id = readDecimalId(itemId)
      if (id === undefined) return undefined
      return { order: { orderClass: '', rank: decimalRank(id) }, publishedAt: snowflakeTime(id, layout) }
    },
  })
}
