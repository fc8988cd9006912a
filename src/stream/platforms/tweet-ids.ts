import { snowflakeIds } from './snowflake.ts'

/** Tweet IDs: decimal, 1 to 2^63-1. The time of a Snowflake must not be in the future. */
export const tweetIds = snowflakeIds('tweet ID', {
  // 2010-11-04T01:42:54.657Z (github.com/twitter-archive/snowflake, IdWorker.scala: twepoch).
  epochMs: 1_288_834_974_657n,
  // 5 + 5 bits of machine and 12 of sequence.
  timeShiftBits: 22n,
  // The first Snowflake; lower IDs were counted up one by one.
  firstWithTime: 29_700_859_247n,
})

/**
 * When a tweet was posted, read from its ID; null: the ID is from before Snowflake and carries no time, or is no tweet
 * ID.
 */
export function tweetTime(tweetId: string): Date | null {
  return tweetIds.publishedAt(tweetId)
}
