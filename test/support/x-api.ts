import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export interface XApiOptions {
  /** Bookmarked item IDs, newest bookmark first. Default: test/data/twitter-bookmarks.csv. */
  readonly itemIds?: readonly string[]
  /** The only user whose bookmarks the token may read. */
  readonly userId?: string
  readonly token?: string
  /** 0 lets the system choose a free port. */
  readonly port?: number
  /** How long each answer takes, milliseconds. */
  readonly delayMs?: number
  /** The clock of the rate limit, milliseconds since the epoch. */
  readonly now?: () => number
}

export interface XApiRequest {
  readonly status: number
  readonly paginationToken: string | null
  /** The page that was served; empty when the request was refused. */
  readonly itemIds: readonly string[]
}

export interface XApi extends AsyncDisposable {
  readonly url: string
  readonly userId: string
  readonly token: string
  /** Every request answered so far, in order. */
  readonly requests: readonly XApiRequest[]
  /** The list as it stands, newest bookmark first. */
  itemIds(): string[]
  /** Bookmarks an item: it goes on top. One that is in the list already keeps its place. */
  add(itemId: string): void
  remove(itemId: string): void
  /** X allows 180 requests in 900 seconds, the default here. Opens a new window at once. */
  setRateLimit(requests: number, windowSeconds: number): void
  /** Resolves once so many pages were served in all. */
  pagesServed(count: number): Promise<void>
}

/**
 * Answers like X API v2, GET /2/users/:id/bookmarks: https://docs.x.com/x-api/users/get-bookmarks
 * Each item has created_at, as if tweet.fields=created_at were always sent; the test data holds no text.
 */
export async function startXApi(options: XApiOptions = {}): Promise<XApi> {
  const { userId = '2244994945', token = 'x-test-token', port = 0, delayMs = 0, now = Date.now } = options
  const list = new BookmarkList(options.itemIds ?? readItemIds())
  const requests: XApiRequest[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  const closing = new AbortController()
  let rateLimit = new RateLimit(180, 900)

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://x.test')
    const paginationToken = url.searchParams.get('pagination_token')
    const { status, headers, body, itemIds } = respond(request, url)
    response.writeHead(status, { 'content-type': status === 200 ? JSON_TYPE : PROBLEM_TYPE, ...headers })
    response.end(JSON.stringify(body))
    requests.push({ status, paginationToken, itemIds })
    const served = requests.filter((entry) => entry.status === 200).length
    for (const wait of waiting) if (served >= wait.count) wait.resolve()
  }

  function respond(request: IncomingMessage, url: URL): Answer {
    const asked = /^\/2\/users\/([^/]+)\/bookmarks$/.exec(url.pathname)?.[1]
    if (request.method !== 'GET' || asked === undefined) return problem(404, 'Not Found')
    if (request.headers.authorization !== `Bearer ${token}`) return problem(401, 'Unauthorized')
    const { allowed, headers } = rateLimit.take(now())
    if (!allowed) return { ...problem(429, 'Too Many Requests'), headers }
    return { ...servePage(asked, url.searchParams), headers }
  }

  function servePage(asked: string, query: URLSearchParams): Answer {
    const maxResults = query.get('max_results') ?? '100'
    const paginationToken = query.get('pagination_token')
    const place = paginationToken === null ? Infinity : decodeToken(paginationToken)
    if (asked !== userId) return invalid('id', asked, `must be the same as the authenticating user [${userId}]`)
    if (!/^[1-9][0-9]?$|^100$/.test(maxResults)) return invalid('max_results', maxResults, 'is not between 1 and 100')
    if (place === undefined) return invalid('pagination_token', String(paginationToken), 'is not valid')
    const { itemIds, last } = list.page(place, Number(maxResults))
    const meta = { result_count: itemIds.length, ...(last !== undefined && { next_token: encodeToken(last) }) }
    const data = itemIds.map((id) => ({ id, created_at: postedAt(id) }))
    // X leaves `data` out of an empty page.
    return { status: 200, body: itemIds.length > 0 ? { data, meta } : { meta }, itemIds }
  }

  const server = createServer((request, response) => {
    // Closing cuts the delay short; whoever asked has lost the connection by then.
    const delay = delayMs > 0 ? sleep(delayMs, undefined, { signal: closing.signal }) : Promise.resolve()
    void delay.then(() => answer(request, response)).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    userId,
    token,
    requests,
    itemIds: () => list.itemIds(),
    add: (itemId) => list.add(itemId),
    remove: (itemId) => list.remove(itemId),
    setRateLimit: (limit, windowSeconds) => {
      rateLimit = new RateLimit(limit, windowSeconds)
    },
    pagesServed: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve })
        if (requests.filter(({ status }) => status === 200).length >= count) resolve()
      }),
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** A list in bookmark time. Each bookmark's place is a number that only grows and is never used again. */
class BookmarkList {
  readonly #places = new Map<string, number>()
  #nextPlace = 1

  constructor(newestFirst: readonly string[]) {
    for (const itemId of newestFirst.toReversed()) this.add(itemId)
  }

  add(itemId: string): void {
    if (!this.#places.has(itemId)) this.#places.set(itemId, this.#nextPlace++)
  }

  remove(itemId: string): void {
    this.#places.delete(itemId)
  }

  itemIds(): string[] {
    // A Map keeps insertion order, and an item that comes back is inserted anew.
    return [...this.#places.keys()].reverse()
  }

  /** The newest bookmarks older than `place`; `last` is the place of the page's end where older ones follow. */
  page(place: number, size: number): { itemIds: string[]; last: number | undefined } {
    const older = [...this.#places].reverse().filter(([, at]) => at < place)
    const page = older.slice(0, size)
    return { itemIds: page.map(([itemId]) => itemId), last: older.length > size ? page.at(-1)?.[1] : undefined }
  }
}

class RateLimit {
  readonly #limit: number
  readonly #windowSeconds: number
  #used = 0
  #resetSeconds = 0

  constructor(limit: number, windowSeconds: number) {
    this.#limit = limit
    this.#windowSeconds = windowSeconds
  }

  /** A window opens with its first request and ends on a whole second, since the header has no finer unit. */
  take(nowMs: number): { allowed: boolean; headers: Record<string, string> } {
    if (nowMs >= this.#resetSeconds * 1000) {
      this.#used = 0
      this.#resetSeconds = Math.ceil(nowMs / 1000) + this.#windowSeconds
    }
    const allowed = this.#used < this.#limit
    if (allowed) this.#used += 1
    return {
      allowed,
      headers: {
        'x-rate-limit-limit': String(this.#limit),
        'x-rate-limit-remaining': String(this.#limit - this.#used),
        'x-rate-limit-reset': String(this.#resetSeconds),
      },
    }
  }
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: object
  readonly itemIds: readonly string[]
}

const JSON_TYPE = 'application/json; charset=utf-8'
const PROBLEM_TYPE = 'application/problem+json'

function problem(status: number, title: string): Answer {
  return { status, body: { title, type: 'about:blank', status, detail: title }, itemIds: [] }
}

function invalid(parameter: string, value: string, complaint: string): Answer {
  const message = `The \`${parameter}\` query parameter value [${value}] ${complaint}`
  const body = {
    errors: [{ parameters: { [parameter]: [value] }, message }],
    title: 'Invalid Request',
    detail: 'One or more parameters to your request was invalid.',
    type: 'https://api.x.com/2/problems/invalid-request',
  }
  return { status: 400, body, itemIds: [] }
}

function encodeToken(place: number): string {
  return Buffer.from(`bookmark:${place}`).toString('base64url')
}

function decodeToken(token: string): number | undefined {
  const place = /^bookmark:([0-9]{1,15})$/.exec(Buffer.from(token, 'base64url').toString())?.[1]
  return place === undefined ? undefined : Number(place)
}

/** The time in a Snowflake ID. X shows whole seconds. */
function postedAt(itemId: string): string {
  const seconds = (Number(BigInt(itemId) >> 22n) + 1_288_834_974_657) / 1000
  return new Date(Math.floor(seconds) * 1000).toISOString()
}

function readItemIds(csv: string | URL = new URL('../data/twitter-bookmarks.csv', import.meta.url)): string[] {
  const [, ...rows] = readFileSync(csv, 'utf8').trim().split('\n')
  return rows.map((row) => row.slice(0, row.indexOf(',')))
}

// As a process of its own: node x-api.js [bookmarks.csv] [port] prints its URL and serves until it is killed.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [csv, port] = process.argv.slice(2)
  const api = await startXApi({ ...(csv && { itemIds: readItemIds(csv) }), port: Number(port ?? 0) })
  process.stdout.write(`${api.url} (user ${api.userId}, token ${api.token})\n`)
}
