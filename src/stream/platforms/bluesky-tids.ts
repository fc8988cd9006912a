import { orderedItemIds } from './item-ids.ts'

const DIGITS = '234567abcdefghijklmnopqrstuvwxyz'
/** The clock identifier is below the microseconds. */
const CLOCK_ID_BITS = 10n
/**
 * The column's width. A post's at-uri with a did:plc has 70 characters; only a did:web with a very long host does not
 * fit.
 */
const MAX_LENGTH = 255

/** A TID (atproto.com/specs/tid), alone or as the record key of a DID's at-uri (atproto.com/specs/at-uri-scheme). */
const TID = /^(?:at:\/\/did:[a-z]+:[A-Za-z0-9._:%-]*[A-Za-z0-9._-]\/[A-Za-z0-9.-]+\/)?([2-7a-j][2-7a-z]{12})$/

/** @param tid 13 digits: a time before the year 2541 */
function tidTime(tid: string): Date {
  let value = 0n
  for (const digit of tid) value = value * 32n + BigInt(DIGITS.indexOf(digit))
  return new Date(Number((value >> CLOCK_ID_BITS) / 1000n))
}

/**
 * Bluesky's posts: the at-uri by which its bookmarks name them, or only the TID at its end. Both compare by the TID.
 * Its digits are in ASCII order, so posts of different accounts compare too. at-uris by handle are refused: they stop
 * naming the post when the account takes another handle.
 */
export const blueskyTids = orderedItemIds({
  name: 'TID',
  hint: `send the post's at-uri (at://did:.../app.bsky.feed.post/<TID>, up to ${MAX_LENGTH} characters), or its TID alone: 13 of ${DIGITS}, the first up to j`,
  read(itemId) {
    if (itemId.length > MAX_LENGTH) return undefined
    const tid = TID.exec(itemId)?.[1]
    return tid === undefined ? undefined : { order: { orderClass: '', rank: tid }, publishedAt: tidTime(tid) }
  },
})
