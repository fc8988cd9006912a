import { nameProblem } from '../../identity/identifier.ts'
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

/**
 * The kinds whose numbers hold their time, and the bare numbers of posts. The numbers of articles, jobs or courses are
 * made in other ways: read as a time, one of them may be years ahead.
 */
const KINDS_WITH_TIME: ReadonlySet<string> = new Set(['', 'activity', 'share', 'ugcPost'])

/** The ID may be a number, a text, or a tuple with URNs in it ("URNs and IDs" in LinkedIn's API guide). */
const URN = /^urn:li:([A-Za-z0-9_.-]+):(\S+)$/

/** The kind of a LinkedIn ID and what follows it; a bare number is of the kind ''. undefined: it is neither. */
function readUrn(itemId: string): { readonly kind: string; readonly id: string } | undefined {
  const [, kind, id] = URN.exec(itemId) ?? []
  if (kind !== undefined && id !== undefined) return nameProblem(itemId) === undefined ? { kind, id } : undefined
  return readDecimalId(itemId) === undefined ? undefined : { kind: '', id: itemId }
}

/**
 * What LinkedIn's lists hold: any URN, since people save articles, jobs and courses beside posts, or the bare decimal
 * ID of a post. One post has an activity and a share whose IDs are some milliseconds apart. So each kind, and the bare
 * IDs, compare only among themselves. What is no number compares with nothing.
 */
export const linkedinUrns = orderedItemIds({
  name: 'LinkedIn item',
  hint: 'send its URN, urn:li:<type>:<ID>, e.g. urn:li:activity:7075043149462556672; or the ID of a post alone, in decimal without leading zeros',
  read(itemId) {
    const urn = readUrn(itemId)
    if (!urn) return undefined
    const number = readDecimalId(urn.id)
    if (number === undefined) return { publishedAt: null }
    const publishedAt = KINDS_WITH_TIME.has(urn.kind) ? snowflakeTime(number, LAYOUT) : null
    return { order: { orderClass: urn.kind, rank: decimalRank(number) }, publishedAt }
  },
})
