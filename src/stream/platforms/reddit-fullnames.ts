import { orderedItemIds } from './item-ids.ts'

/** 36^12 < 2^63 < 36^13: a 64-bit ID has at most 13 digits. */
const MAX_DIGITS = 13

/** t1 comment, t2 account, t3 link, t4 message, t5 subreddit, t6 award (reddit.com/dev/api, "fullnames"). */
const FULLNAME = /^(t[1-6])_([1-9a-z][0-9a-z]{0,12})$/

/** Reddit's fullnames: a type and a base 36 number that counts up within the type. They carry no time. */
export const redditFullnames = orderedItemIds({
  name: 'Reddit fullname',
  hint: 'send its type, t1 to t6, an underscore and its base 36 ID in lower case without leading zeros, e.g. t3_1h4f3',
  read(itemId) {
    const [, type, digits] = FULLNAME.exec(itemId) ?? []
    if (type === undefined || digits === undefined) return undefined
    return { order: { orderClass: type, rank: digits.padStart(MAX_DIGITS, '0') }, publishedAt: null }
  },
})
