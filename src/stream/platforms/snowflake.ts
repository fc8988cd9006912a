import { type ItemIds, orderedItemIds } from './item-ids.ts'

/** A signed 64-bit integer's largest value, the highest Snowflake. */
const MAX_ID = 2n ** 63n - 1n
const MAX_DIGITS = MAX_ID.toString().length

/** Where a platform's Snowflakes keep the time. */
export interface SnowflakeLayout {
  /** Unix time of the layout's zero. */
  readonly epochMs: bigint
  /** How many bits are below the milliseconds: machine, worker, sequence. */
  readonly timeShiftBits: bigint
  /** The lowest ID that carries a time; lower ones are valid, but were counted up one by one. */
  readonly firstWithTime: bigint
}

/** Reads a decimal ID, 1 to 2^63-1 without leading zeros; undefined where the text is none. */
export function readDecimalId(text: string): bigint | undefined {
  if (!/^[1-9][0-9]{0,18}$/.test(text)) return undefined
  const id = BigInt(text)
  return id <= MAX_ID ? id : undefined
}

/** A decimal ID's rank among others: padded to one length. */
export function decimalRank(id: bigint): string {
  return id.toString().padStart(MAX_DIGITS, '0')
}

/**
 * The time in a Snowflake; null below the layout's first one.
 * @param id 1 to 2^63-1: with 16 bits or more below the time, that is before the year 6430
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
      return { orderClass: '', rank: decimalRank(id), publishedAt: snowflakeTime(id, layout) }
    },
  })
}
