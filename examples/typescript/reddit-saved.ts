// Crawls what a Reddit account has saved: WAYMARK_KEY=... REDDIT_TOKEN=... node reddit-saved.ts <account>
import { NeedsAttention, RateLimited, Waymark } from 'waymark-client'

const { REDDIT_API_URL = 'https://oauth.reddit.com', REDDIT_TOKEN = '' } = process.env
const [userId = ''] = process.argv.slice(2)
const headers = { authorization: `Bearer ${REDDIT_TOKEN}`, 'user-agent': 'waymark-example/1.0' }
type Listing = { data: { children: { data: { name: string } }[]; after: string | null } }

const { outcome } = await new Waymark().crawl({
  userId,
  stream: 'reddit/saved',
  id: (post: { name: string }) => post.name,
  async fetchPage({ pageToken }) {
    const url = `${REDDIT_API_URL}/user/${userId}/saved?limit=100&after=${pageToken ?? ''}`
    const reply = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) })
    if (reply.status === 429) throw new RateLimited(Date.now() + 1000 * Number(reply.headers.get('x-ratelimit-reset')))
    if (reply.status === 401) throw new NeedsAttention('Get a new REDDIT_TOKEN')
    if (!reply.ok) throw new Error(`Reddit answered ${reply.status}`)
    const { data } = (await reply.json()) as Listing
    return { items: data.children.map((child) => child.data), nextToken: data.after }
  },
  process: (posts) => posts.forEach(({ name }) => process.stdout.write(`${name}\n`)),
})
process.stdout.write(`${outcome}\n`)
