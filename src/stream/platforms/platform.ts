import { blueskyTids } from './bluesky-tids.ts'
import { type ItemIds, textItemIds } from './item-ids.ts'
import { linkedinUrns } from './linkedin-urns.ts'
import { mastodonIds } from './mastodon-ids.ts'
import { redditFullnames } from './reddit-fullnames.ts'
import { tweetIds } from './tweet-ids.ts'
import { youtubeIds } from './youtube-ids.ts'

export type PlatformName = 'TWITTER' | 'REDDIT' | 'LINKEDIN' | 'MASTODON' | 'BLUESKY' | 'YOUTUBE' | 'OTHER'

export interface Platform {
  readonly name: PlatformName
  /** The part of a stream's name before the slash; undefined: any that is not another platform's. */
  readonly slug: string | undefined
  readonly itemIds: ItemIds
}

export const other: Platform = { name: 'OTHER', slug: undefined, itemIds: textItemIds }

/** The platforms that have their own name in the contract. */
export const namedPlatforms: readonly (Platform & { readonly slug: string })[] = [
  { name: 'TWITTER', slug: 'twitter', itemIds: tweetIds },
  { name: 'REDDIT', slug: 'reddit', itemIds: redditFullnames },
  { name: 'LINKEDIN', slug: 'linkedin', itemIds: linkedinUrns },
  { name: 'MASTODON', slug: 'mastodon', itemIds: mastodonIds },
  { name: 'BLUESKY', slug: 'bluesky', itemIds: blueskyTids },
  { name: 'YOUTUBE', slug: 'youtube', itemIds: youtubeIds },
]

const bySlug = new Map(namedPlatforms.map((platform) => [platform.slug, platform]))

/** The platform with this slug; OTHER for an unknown one. @param slug the part of a stream's name before the slash */
export function platformNamed(slug: string): Platform {
  return bySlug.get(slug) ?? other
}

/** Whether the platform's item IDs have an order. Without one, its streams cannot be ASCENDING. */
export function isOrdered(platform: Platform): boolean {
  return platform.itemIds.ordered
}
