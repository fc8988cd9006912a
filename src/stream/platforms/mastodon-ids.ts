import { snowflakeIds } from './snowflake.ts'

/**
 * Status IDs of a Mastodon server: 48 bits of Unix milliseconds over 16 bits of sequence (github.com/mastodon/mastodon,
 * lib/mastodon/snowflake.rb). A status that is fetched later gets an ID of the time when it was written.
 *
 * Up to migration 20170920024819 (Mastodon 2.0) IDs were counted up one by one, and those statuses keep their IDs. The
 * source names no boundary. Neither kind comes near 2^40: no server had counted to a trillion, and as a Snowflake it
 * would be of 1970-01-01T04:39:37Z.
 */
export const mastodonIds = snowflakeIds('Mastodon status ID', {
  epochMs: 0n,
  timeShiftBits: 16n,
  firstWithTime: 2n ** 40n,
})
