import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startXApi } from '../support/x-api.ts'
import type { XApi } from '../support/x-api.ts'

interface Body {
  data?: { id: string; created_at: string }[]
  meta: { result_count: number; next_token?: string }
}

const get = (api: XApi, query = '', userId = api.userId, token = api.token) =>
  fetch(`${api.url}/2/users/${userId}/bookmarks${query}`, { headers: { authorization: `Bearer ${token}` } })

async function getPage(api: XApi, size: number, token?: string): Promise<{ ids: string[]; next: string | undefined }> {
  const response = await get(api, `?max_results=${size}${token === undefined ? '' : `&pagination_token=${token}`}`)
  expect(response.status).toBe(200)
  const { data = [], meta } = (await response.json()) as Body
  expect(meta.result_count).toBe(data.length)
  return { ids: data.map(({ id }) => id), next: meta.next_token }
}

async function getRest(api: XApi, size: number, from?: string): Promise<string[]> {
  const ids: string[] = []
  let token = from
  do {
    const page = await getPage(api, size, token)
    ids.push(...page.ids)
    token = page.next
  } while (token !== undefined)
  return ids
}

const rows = readFileSync(new URL('../data/twitter-bookmarks.csv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)

test('serves the whole list in bookmark order, with the time of each post', async () => {
  await using api = await startXApi()
  const served: string[] = []
  let token: string | undefined
  do {
    const response = await get(api, token === undefined ? '' : `?pagination_token=${token}`)
    expect(response.headers.get('content-type')).toContain('application/json')
    const { data = [], meta } = (await response.json()) as Body
    served.push(...data.map(({ id, created_at }) => `${id},${created_at.replace('.000Z', 'Z')}`))
    token = meta.next_token
  } while (token !== undefined)
  expect(served).toEqual(rows)
  expect(api.requests.map(({ itemIds }) => itemIds.length)).toEqual([100, 100, 100, 100, 23])
})

test('serves as many as max_results asks for, and no token with the last page', async () => {
  await using api = await startXApi({ itemIds: ['5', '4', '3', '2', '1'] })
  const first = await getPage(api, 2)
  expect(first.ids).toEqual(['5', '4'])
  const second = await getPage(api, 3, first.next)
  expect(second).toEqual({ ids: ['3', '2', '1'], next: undefined })
})

test('goes on right after the last item served, whatever was added on top and removed meanwhile', async () => {
  await using api = await startXApi({ itemIds: ['9', '8', '7', '6', '5', '4', '3'] })
  const { ids, next } = await getPage(api, 3)
  expect(ids).toEqual(['9', '8', '7'])
  api.add('10')
  api.add('11')
  api.remove('9')
  api.remove('7')
  api.remove('5')
  expect(await getRest(api, 2, next)).toEqual(['6', '4', '3'])
  expect(api.itemIds()).toEqual(['11', '10', '8', '6', '4', '3'])
})

test('shows an item that was removed and bookmarked again on top, and its old place stays valid', async () => {
  await using api = await startXApi({ itemIds: ['4', '3', '2', '1'] })
  const { next } = await getPage(api, 2)
  api.remove('3')
  api.add('3')
  api.add('3')
  expect(await getRest(api, 10, next)).toEqual(['2', '1'])
  expect(await getRest(api, 10)).toEqual(['3', '4', '2', '1'])
})

test('leaves data out of an empty page, also when a token was given out before the rest was removed', async () => {
  await using api = await startXApi({ itemIds: ['2', '1'] })
  const { next } = await getPage(api, 1)
  api.remove('1')
  const response = await get(api, `?pagination_token=${next}`)
  expect(await response.json()).toEqual({ meta: { result_count: 0 } })
})

test.each(['?max_results=0', '?max_results=101', '?max_results=ten', '?max_results=', '?pagination_token=bm9uZQ'])(
  'refuses %s as an invalid request and says which parameter',
  async (query) => {
    await using api = await startXApi()
    const response = await get(api, query)
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const [parameter = '', value = ''] = query.slice(1).split('=')
    expect(await response.json()).toMatchObject({
      title: 'Invalid Request',
      errors: [{ parameters: { [parameter]: [value] } }],
    })
  },
)

test('refuses a missing or wrong token, another user, and any other path', async () => {
  await using api = await startXApi()
  expect((await fetch(`${api.url}/2/users/${api.userId}/bookmarks`)).status).toBe(401)
  const wrong = await get(api, '', api.userId, 'wrong')
  expect(await wrong.json()).toEqual({
    title: 'Unauthorized',
    type: 'about:blank',
    status: 401,
    detail: 'Unauthorized',
  })
  expect((await get(api, '', '1')).status).toBe(400)
  expect((await fetch(`${api.url}/2/tweets`)).status).toBe(404)
  expect(api.requests.map(({ status }) => status)).toEqual([401, 401, 400, 404])
})

test('answers 429 with the time of the reset once the window is used up, and serves again after it', async () => {
  let nowMs = 1_000_400
  await using api = await startXApi({ now: () => nowMs })
  api.setRateLimit(2, 15)
  const limits = async () => {
    const { status, headers } = await get(api, '?max_results=1')
    return [status, ...['limit', 'remaining', 'reset'].map((name) => Number(headers.get(`x-rate-limit-${name}`)))]
  }
  expect(await limits()).toEqual([200, 2, 1, 1016])
  expect(await limits()).toEqual([200, 2, 0, 1016])
  expect(await limits()).toEqual([429, 2, 0, 1016])
  nowMs = 1_015_999
  expect(await limits()).toEqual([429, 2, 0, 1016])
  nowMs = 1_016_000
  expect(await limits()).toEqual([200, 2, 1, 1031])
})

test('tells when a page was served', async () => {
  await using api = await startXApi({ delayMs: 1 })
  const third = api.pagesServed(3)
  const all = getRest(api, 100)
  await third
  expect(api.requests.length).toBeGreaterThanOrEqual(3)
  await all
  await api.pagesServed(5)
  expect(api.requests).toHaveLength(5)
})
