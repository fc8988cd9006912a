/** One page of a crawl, saved after it was processed. */
interface Page {
  readonly itemId: string
  readonly bookmarksAdded: number
  readonly headItemIds?: readonly string[]
  readonly pageToken?: string
}

/** One run of a crawler, from its start to its end. */
export interface Crawl {
  readonly sessionId: string
  readonly userId: string
  readonly stream: string
  readonly directImport?: boolean
  readonly enableSummarization?: boolean
  readonly outputFilePath?: string
  readonly pages: readonly Page[]
  readonly rateLimitHits?: number
  readonly end: { readonly as: 'completed' | 'stopped' } | { readonly as: 'failed'; readonly errorMessage: string }
}

export const USERS = ['alice', 'bob', 'carol', 'dan'] as const

/**
 * The crawls that `npm run seed` makes, in this order. They leave these plans: INCREMENTAL for alice's two lists, bob's
 * twitter/bookmarks and carol's bluesky/bookmarks; RESUME for bob's mastodon/bookmarks and carol's pinboard/all; FULL
 * for carol's linkedin/saved-posts.
 */
export const CRAWLS: readonly Crawl[] = [
  {
    sessionId: 'seed-alice-1',
    userId: 'alice',
    stream: 'twitter/bookmarks',
    enableSummarization: true,
    outputFilePath: '/data/alice/twitter.json',
    pages: [
      {
        itemId: '2107268400718577830',
        bookmarksAdded: 200,
        headItemIds: ['2107346723954964586', '2107310223896191302', '2107301558376128733'],
        pageToken: '7140dibdnow9c7btw4b2',
      },
      { itemId: '2107108321689016154', bookmarksAdded: 212 },
    ],
    end: { as: 'completed' },
  },
  {
    sessionId: 'seed-bob-1',
    userId: 'bob',
    stream: 'twitter/bookmarks',
    directImport: true,
    outputFilePath: '/data/bob/twitter.json',
    pages: [
      {
        itemId: '2107406844684428048',
        bookmarksAdded: 1200,
        headItemIds: ['2107453465670723818', '2107452748830287625', '2107450559496653307'],
        pageToken: '7140dibdnow9c7btw3z0',
      },
      { itemId: '2107108321689016154', bookmarksAdded: 1110 },
    ],
    end: { as: 'completed' },
  },
  {
    sessionId: 'seed-alice-2',
    userId: 'alice',
    stream: 'twitter/bookmarks',
    enableSummarization: true,
    pages: [
      {
        itemId: '2107495694640935509',
        bookmarksAdded: 100,
        headItemIds: ['2107495694640935509', '2107461881346862045', '2107457228111983418'],
        pageToken: '7140dibdnow9c7btw4b9',
      },
      { itemId: '2107457228111983418', bookmarksAdded: 40, pageToken: '7140dibdnow9c7btw5c1' },
    ],
    rateLimitHits: 1,
    end: { as: 'failed', errorMessage: 'HTTP 429 from the API: rate limit exceeded, reset in 900 s' },
  },
  {
    sessionId: 'seed-alice-4',
    userId: 'alice',
    stream: 'reddit/saved',
    directImport: true,
    outputFilePath: '/data/alice/reddit.json',
    pages: [{ itemId: 't3_1nx0k2p', bookmarksAdded: 87, headItemIds: ['t3_1nzq7xa', 't3_1nzp03c', 't1_ni2k9fd'] }],
    end: { as: 'completed' },
  },
  {
    sessionId: 'seed-carol-1',
    userId: 'carol',
    stream: 'linkedin/saved-posts',
    pages: [],
    end: { as: 'failed', errorMessage: 'HTTP 401 from the API: the token has expired' },
  },
  {
    sessionId: 'seed-bob-2',
    userId: 'bob',
    stream: 'mastodon/bookmarks',
    pages: [
      {
        itemId: '115326948573012345',
        bookmarksAdded: 25,
        headItemIds: ['115327701034516734', '115327264810293811'],
        pageToken: 'max_id=1290331',
      },
    ],
    end: { as: 'stopped' },
  },
  {
    sessionId: 'seed-carol-2',
    userId: 'carol',
    stream: 'bluesky/bookmarks',
    enableSummarization: true,
    pages: [{ itemId: '3lzabcdefgh2k', bookmarksAdded: 33, headItemIds: ['3lzk2vbjyzs2n', '3lzjx6mqkbc2a'] }],
    end: { as: 'completed' },
  },
  {
    sessionId: 'seed-alice-3',
    userId: 'alice',
    stream: 'twitter/bookmarks',
    enableSummarization: true,
    pages: [{ itemId: '2107472788858387122', bookmarksAdded: 60 }],
    end: { as: 'completed' },
  },
  {
    sessionId: 'seed-carol-3',
    userId: 'carol',
    stream: 'pinboard/all',
    directImport: true,
    pages: [
      {
        itemId: 'https://pinboard.in/u:carol/b:4f7e10',
        bookmarksAdded: 250,
        headItemIds: ['https://pinboard.in/u:carol/b:9ac013', 'https://pinboard.in/u:carol/b:97d55e'],
        pageToken: 'start=250',
      },
      { itemId: 'https://pinboard.in/u:carol/b:0a1b2c', bookmarksAdded: 250, pageToken: 'start=500' },
    ],
    end: { as: 'failed', errorMessage: 'HTTP 503 from the API: Pinboard is down for maintenance' },
  },
]
