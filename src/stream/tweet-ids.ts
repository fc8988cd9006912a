import type { ItemIds } from './item-ids.ts'

/** 2010-11-04T01:42:54.657Z, the zero of Twitter's Snowflakes (github.com/twitter-archive/snowflake, IdWorker.scala: twepoch). */
const SNOWFLAKE_EPOCH_MS = 1_288_834_974_657n
/** Below the machine and the sequence: 5 + 5 + 12 bits. */
const TIME_SHIFT_BITS = 22n
/** The first Snowflake; lower IDs were counted up one by one and carry no time. */
const FIRST_SNOWFLAKE = 29_700_859_247n
const MAX_ID = 2n ** 63n - 1n
/** How far a tweet's time may be ahead of the database's: their clocks are not ours. */
const CLOCK_TOLERANCE_MS = 60_000

/**
 * When a tweet was posted, read from its ID; null for IDs from before Snowflake, which carry no time.
 * @param tweetId a valid tweet ID
 */
export function tweetTime(tweetId: string): Date | null {
  const id = BigInt(tweetId)
  if (id < FIRST_SNOWFLAKE) return null
  return new Date(Number((id >> TIME_SHIFT_BITS) + SNOWFLAKE_EPOCH_MS))
}

/** Tweet IDs: decimal, 1 to 2^63-1, and where they are Snowflakes, of a time that has been. */
export const tweetIds: ItemIds = {
  problem(itemId, now) {
    if (!/^[1-9][0-9]{0,18}$/.test(itemId) || BigInt(itemId) > MAX_ID) {
      return 'is no tweet ID: send the decimal ID (1 to 9223372036854775807) as a string, without leading zeros'
    }
    const postedAt = tweetTime(itemId)
    if (postedAt && postedAt.getTime() > now.getTime() + CLOCK_TOLERANCE_MS) {
      return `is no tweet ID yet: its Snowflake time is ${postedAt.toISOString()}, which is still to come`
    }
    return undefined
  },
}
