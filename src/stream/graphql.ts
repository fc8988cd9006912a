import { builder } from '../graphql/builder.ts'
import { platformOf } from './model.ts'
import { namedPlatforms, other, type PlatformName } from './platforms/platform.ts'

/** Describes every field and argument that names a stream. */
export const STREAM_DESCRIPTION =
  'The stream, as "<platform>/<list>", e.g. twitter/bookmarks. The platform is in lower case; the list keeps its case.'

export const PlatformEnum = builder.enumType('Platform', {
  description: 'A platform: the part of a stream name before the slash. It decides which item IDs are valid.',
  values: {
    TWITTER: { description: 'Twitter (X). An item ID is a tweet ID, e.g. 1790000000000000007.' },
    REDDIT: { description: 'Reddit. An item ID is a fullname, e.g. t3_1abcde.' },
    LINKEDIN: {
      description:
        'LinkedIn. An item ID is any URN, e.g. urn:li:activity:7180000000000000000, or the number of a post.',
    },
    MASTODON: { description: 'Mastodon. An item ID is the number of a status.' },
    BLUESKY: { description: 'Bluesky. An item ID is an AT URI with a DID, or its TID.' },
    YOUTUBE: { description: 'YouTube. An item ID is a video ID of 11 characters.' },
    OTHER: { description: 'Any other platform. An item ID is any text of 1 to 255 characters.' },
  } satisfies Record<PlatformName, { description: string }>,
})

/** The platform of a value of the enum. */
export function platformOfEnum(name: PlatformName) {
  return namedPlatforms.find((platform) => platform.name === name) ?? other
}

/** The options of the field `platform` of whatever belongs to a stream. */
export const platformOptions = {
  type: PlatformEnum,
  description: 'The platform that the stream name begins with.',
  resolve: ({ stream }: { readonly stream: string }) => platformOf(stream).name,
}
