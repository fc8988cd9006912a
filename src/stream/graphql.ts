import { builder } from '../graphql/builder.ts'
import { namedPlatforms, other, type PlatformName } from './platforms/platform.ts'

export const PlatformEnum = builder.enumType('Platform', {
  description: 'The platform that a stream belongs to: the part of its name before the slash.',
  values: {
    TWITTER: { description: 'Twitter (X): item IDs are tweet IDs.' },
    REDDIT: { description: 'Reddit.' },
    LINKEDIN: { description: 'LinkedIn.' },
    MASTODON: { description: 'Mastodon.' },
    BLUESKY: { description: 'Bluesky.' },
    YOUTUBE: { description: 'YouTube.' },
    OTHER: { description: 'Any other: item IDs are any text.' },
  } satisfies Record<PlatformName, { description: string }>,
})

/** The platform that the enum's value names. */
export function platformOfEnum(name: PlatformName) {
  return namedPlatforms.find((platform) => platform.name === name) ?? other
}
