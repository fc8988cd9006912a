// Follows a plan of Waymark down one list, page by page. It knows neither the platform nor the network.
import type { Plan } from './waymark.ts'

/** Its items, newest first, and the token of the page below it; or that the platform does not take the token any more. */
export type Page = { ids: string[]; next: string | null; isTokenRefused?: undefined } | { isTokenRefused: true }
export type Save = {
  itemId: string | null
  pageToken: string | null
  headItemIds: string[] | null
  bookmarksAdded: number
}
export type Told = { stopRequested: boolean; isLoop: boolean }

export type Crawl = {
  /** @param token names the page; null: the top of the list */
  fetchPage(token: string | null): Promise<Page>
  /** What the crawler is for. @returns how many items were new to it */
  process(ids: string[]): number
  save(save: Save): Promise<Told>
  /** Called for each page that is skipped: says that the crawler lives, with a heartbeat. @returns whether it is to stop */
  skip(): Promise<boolean>
  isStopped(): boolean
}

/** A platform that refuses this many tokens between two saves refuses all. */
const MOST_REFUSALS = 10
/** A platform may answer with the token that it was given, to be asked again. */
const MOST_REPEATS = 100

export class RefusedError extends Error {}

/**
 * Goes down the list.
 * @returns END: at an anchor, or at the end of the list. STOPPED: it was asked to stop. LOOP: the tokens go round
 */
export async function followPlan(plan: Plan, crawl: Crawl): Promise<'END' | 'STOPPED' | 'LOOP'> {
  let token = plan.pageToken
  let last = plan.afterItemId
  // Without a token: pages are skipped down to the one that holds the last item processed.
  let skipTo = token === null ? last : null
  let above: string[] = []
  let headLength = 0
  let refusals = 0
  let repeats = 0
  let isEndTold = false
  const passed = new Set<string>()
  while (!crawl.isStopped()) {
    const page = await crawl.fetchPage(token)
    if (page.isTokenRefused) {
      if (token === null || (refusals += 1) === MOST_REFUSALS)
        throw new RefusedError('the platform refuses its own tokens')
      ;[token, skipTo, above] = [null, last, []]
      // What was said of that page says nothing of the top.
      isEndTold = false
      passed.clear()
      continue
    }
    const upTo = countBeforeAnchor(above, page.ids, plan.untilItemIds)
    const isMet = upTo !== undefined
    // Lists end early at times. An end is one if the same page says so twice.
    if (!isMet && page.next === null && !isEndTold) {
      isEndTold = true
      continue
    }
    isEndTold = false
    const isEnd = isMet || page.next === null
    let ids = page.ids.slice(0, upTo)
    if (skipTo !== null) {
      const at = ids.indexOf(skipTo)
      if (at === -1) {
        // Not met at all: the item was removed, and nothing may be skipped.
        if (await crawl.skip()) return 'STOPPED'
        const asked = token
        if (isEnd) [token, skipTo, above] = [null, null, []]
        else [token, above] = [page.next, [...above, ...page.ids].slice(-2)]
        // Nothing is saved on the way down, so Waymark cannot see that the tokens go round.
        repeats = token === asked ? repeats + 1 : 0
        if (token !== null && token !== asked && passed.has(token)) return 'LOOP'
        if (repeats === MOST_REPEATS) return 'LOOP'
        passed.add(token ?? '')
        continue
      }
      ids = ids.slice(at + 1)
      skipTo = null
    }
    const bookmarksAdded = ids.length > 0 ? crawl.process(ids) : 0
    last = ids.at(-1) ?? last
    // The first items of a crawl are its head. Waymark takes it from the session that begins the crawl, and no other.
    const headItemIds = plan.afterItemId === null && headLength < 3 && ids.length > 0 ? page.ids.slice(0, 50) : null
    headLength += headItemIds?.length ?? 0
    // The last page names itself: a token below an anchor would lead past it.
    const pageToken = isEnd ? token : page.next
    // A page without items moves the token only.
    if (ids.length > 0 || (!isEnd && pageToken !== null)) {
      const told = await crawl.save({ itemId: ids.at(-1) ?? null, pageToken, headItemIds, bookmarksAdded })
      refusals = 0
      if (told.isLoop) return 'LOOP'
      if (told.stopRequested) return 'STOPPED'
    }
    if (isEnd) return 'END'
    ;[token, above] = [page.next, [...above, ...page.ids].slice(-2)]
  }
  return 'STOPPED'
}

/**
 * How many items of a page come before an anchor: three neighbours of the list that are neighbours in `until` too, or
 * two if it holds no more. They may begin on the page above. Undefined: there is none.
 * @param above the last two items of the pages above
 */
export function countBeforeAnchor(above: string[], ids: string[], until: string[]): number | undefined {
  const size = Math.min(3, until.length)
  if (size < 2) return undefined
  const list = [...above, ...ids]
  const isAnchor = (id: string, at: number) => {
    const place = until.indexOf(id)
    const run = until.slice(place, place + size)
    return place !== -1 && run.length === size && run.every((item, next) => list[at + next] === item)
  }
  const met = list.findIndex(isAnchor)
  return met === -1 ? undefined : Math.max(met - above.length, 0)
}
