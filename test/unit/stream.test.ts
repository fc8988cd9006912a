import { describe, expect, it } from 'vitest'
import { DEFAULT_STREAM, platformOf, streamNameSchema } from '../../src/stream/model.ts'
import { namedPlatforms } from '../../src/stream/platforms/platform.ts'
import { platformOfEnum } from '../../src/stream/graphql.ts'

describe('the name of a stream', () => {
  it.each([
    'twitter/bookmarks',
    'reddit/saved',
    'linkedin/saved-posts',
    'my-blog/list_1.2',
    '0/-',
    `x/${'y'.repeat(253)}`,
    'youtube/PLrAXtmErZgOe',
    'twitter/Bookmarks',
    DEFAULT_STREAM,
  ])('may be %s', (name) => {
    expect(streamNameSchema.safeParse(name).success).toBe(true)
  })

  it.each([
    '',
    '/',
    'twitter',
    'twitter/',
    '/bookmarks',
    'Twitter/bookmarks',
    'yOutube/PLrAXtmErZgOe',
    'twitter/a/b',
    'twitter/Ärger',
    'twitter/ſaved',
    'my_blog/list',
    'my.blog/list',
    'twitter/book marks',
    'twitter/bookmarks\n',
    'twitter/book\0marks',
    'твиттер/закладки',
    `x/${'y'.repeat(254)}`,
  ])('is not %j, and the refusal says what it looks like', (name) => {
    const parsed = streamNameSchema.safeParse(name)
    expect(parsed.error?.issues[0]?.message).toMatch(
      /"<platform>\/<list>", the platform in lower case|must not be longer than 255/,
    )
  })
})

describe('the platform of a stream', () => {
  it.each([
    ['twitter/bookmarks', 'TWITTER'],
    ['twitter/likes', 'TWITTER'],
    ['reddit/saved', 'REDDIT'],
    ['linkedin/saved', 'LINKEDIN'],
    ['mastodon/bookmarks', 'MASTODON'],
    ['bluesky/bookmarks', 'BLUESKY'],
    ['youtube/playlist', 'YOUTUBE'],
    ['pinboard/all', 'OTHER'],
    ['twitter2/bookmarks', 'OTHER'],
    ['x/bookmarks', 'OTHER'],
    ['constructor/x', 'OTHER'],
    // What a foreign writer may have stored.
    ['twitter', 'OTHER'],
    ['Twitter/bookmarks', 'OTHER'],
    ['/twitter', 'OTHER'],
    ['', 'OTHER'],
  ])('%j is %s', (stream, name) => {
    expect(platformOf(stream).name).toBe(name)
  })

  it('is found by its name in the API', () => {
    for (const platform of namedPlatforms) expect(platformOfEnum(platform.name)).toBe(platform)
    expect(platformOfEnum('OTHER').slug).toBeUndefined()
  })

  it('whose items nobody knows takes any text that fits the column', () => {
    const { itemIds } = platformOf('pinboard/all')
    const now = new Date()
    for (const id of ['1', '0', '12a', 'https://example.org/?a=b', 'x'.repeat(255)]) {
      expect(itemIds.problem(id, now), id).toBeUndefined()
    }
    for (const id of ['', 'x'.repeat(256), 'a\0', 'a\n']) expect(itemIds.problem(id, now), id).toMatch(/^must not/)
  })
})
