import { orderedItemIds } from './item-ids.ts'
import { decimalRank, readDecimalId, type SnowflakeLayout, snowflakeTime } from './snowflake.ts'

/**
 * LinkedIn documents no layout. It was read from its pages: activity 7075043149462556672 has datePublished
 * 2023-06-15T09:35:34.752Z, and id >> 22 is 25 ms later
 * (shkspr.mobi/blog/2023/06/linkedin-supports-schema-org-metadata).
 */
const LAYOUT: SnowflakeLayout = {
  epochMs: 0n,
  timeShiftBits: 22n,
  // 2003-05-05, when LinkedIn opened: a lower ID was made in another way.
  firstWithTime: BigInt(Date.UTC(2003, 4, 5)) << 22n,
}

const URN = /^(?:urn:li:(activity|share|ugcPost):)?([1-9][0-9]*)$/

/**
 * LinkedIn's posts: URNs of activities, shares and UGC posts, or their bare decimal IDs ("URNs and IDs" in LinkedIn's
 * API guide). One post has an activity and a share whose IDs are some milliseconds apart. So each kind, and the bare
 * IDs, compare only among themselves.
 */
export const linkedinUrns = orderedItemIds({
  name: 'LinkedIn post',
  hint: 'send its URN: urn:li:activity:<ID>, urn:li:share:<ID> or urn:li:ugcPost:<ID>, the ID in decimal without leading zeros',
  read(itemId) {
    const [, orderClass = '', digits = ''] = URN.exec(itemId) ?? []
    const id = readDecimalId(digits)
    return id === undefined ? undefined : { orderClass, rank: decimalRank(id), publishedAt: snowflakeTime(id, LAYOUT) }
  },
})
