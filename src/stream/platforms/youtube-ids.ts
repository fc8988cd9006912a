import { type ItemIds, textItemIds } from './item-ids.ts'

/** Video IDs: 11 random characters of base64url. They have no order and carry no time. */
export const youtubeIds: ItemIds = {
  ...textItemIds,
  problem(itemId) {
    if (/^[A-Za-z0-9_-]{11}$/.test(itemId)) return undefined
    return 'is no YouTube video ID: send the 11 characters ([A-Za-z0-9_-]) after v= in its address'
  },
}
