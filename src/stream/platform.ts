import { type ItemIds, textItemIds } from './item-ids.ts'
import { tweetIds } from './tweet-ids.ts'

export type PlatformName = 'TWITTER' | 'REDDIT' | 'LINKEDIN' | 'MASTODON' | 'BLUESKY' | 'YOUTUBE' | 'OTHER'

export interface Platform {
  readonly name: PlatformName
  /** The part of a stream's name before the slash; undefined: every one that no other platform has. */
  readonly slug: string | undefined
  readonly itemIds: ItemIds
}

export const other: Platform = { name: 'OTHER', slug: undefined, itemIds: textItemIds }

/** The platforms that have a name of their own in the contract. */
export const namedPlatforms: readonly (Platform & { readonly slug: string })[] = [
  { name: 'TWITTER', slug: 'twitter', itemIds: tweetIds },
  { name: 'REDDIT', slug: 'reddit', itemIds: textItemIds },
  { name: 'LINKEDIN', slug: 'linkedin', itemIds: textItemIds },
  { name: 'MASTODON', slug: 'mastodon', itemIds: textItemIds },
  { name: 'BLUESKY', slug: 'bluesky', itemIds: textItemIds },
  { name: 'YOUTUBE', slug: 'youtube', itemIds: textItemIds },
]

const bySlug = new Map(namedPlatforms.map((platform) => [platform.slug, platform]))

/** @param slug the part of a stream's name before the slash */
export function platformNamed(slug: string): Platform {
  return bySlug.get(slug) ?? other
}
