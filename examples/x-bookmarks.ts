// All that crawler.ts knows of X. Another platform is another file like this one.
import type { Page } from './follow-plan.ts'
import { request } from './request.ts'

const { X_API_URL = 'https://api.x.com', X_TOKEN = '' } = process.env

/**
 * @param token names the page; null: the top of the list
 * @returns the page, or when X is to be asked again
 */
export async function fetchPage(
  userId: string,
  pageSize: string,
  token: string | null,
): Promise<Page | { retryAt: Date }> {
  const query = new URLSearchParams({ max_results: pageSize, ...(token !== null && { pagination_token: token }) })
  const url = `${X_API_URL}/2/users/${userId}/bookmarks?${query.toString()}`
  const { reply, body } = await request(url, { headers: { authorization: `Bearer ${X_TOKEN}` } })
  if (reply.status === 429) {
    const resetMs = Number(reply.headers.get('x-rate-limit-reset')) * 1000
    return { retryAt: new Date(Math.max(resetMs, Date.now() + 1000)) }
  }
  if (reply.status === 400 && token !== null) return { isTokenRefused: true }
  if (!reply.ok) throw new Error(`X answered ${reply.status} ${reply.statusText}`)
  const { data = [], meta } = body as { data?: { id: string }[]; meta?: { next_token?: string } }
  return { ids: data.map(({ id }) => id), next: meta?.next_token ?? null }
}
