import type { PageAnswer, PlatformScript } from './script.ts'

interface Entry {
  readonly id: string
  isThere: boolean
}

/** A page as the platform shows it. */
export interface ShownPage {
  readonly items: readonly string[]
  readonly nextToken: string | null
}

/**
 * The list of a script. A token names a place between two items, "after-<item>", and keeps it: what is added above or
 * removed anywhere moves no page.
 */
export class ScriptedList {
  readonly #script: PlatformScript
  /** In the order of the platform, also what is gone: tokens still name it. */
  #entries: Entry[]
  #pinned: string | undefined

  constructor(script: PlatformScript) {
    this.#script = script
    this.#entries = script.items.map((id) => ({ id, isThere: true }))
    this.#pinned = script.pinned
  }

  /** Puts items on top, the last one topmost. */
  add(ids: readonly string[]): void {
    for (const id of ids) this.#entries.unshift({ id, isThere: true })
  }

  /** Puts items at the lower end, the last one lowest: where new ones come to a list that is in ascending order. */
  append(ids: readonly string[]): void {
    for (const id of ids) this.#entries.push({ id, isThere: true })
  }

  remove(ids: readonly string[]): void {
    for (const entry of this.#entries) if (ids.includes(entry.id)) entry.isThere = false
  }

  /** Bookmarks items anew: they leave their place and come to the top. */
  again(ids: readonly string[]): void {
    this.remove(ids)
    this.add(ids)
  }

  pin(id: string): void {
    this.#pinned = id
  }

  /** @param token null: the top. An unknown one is answered as by a platform that refuses it */
  page(token: string | null): PageAnswer {
    const given = this.#script.answers?.[token ?? 'top']
    const shown = this.#shown(token)
    if (!given) return shown ?? { pageTokenRefused: true }
    const isPage = given.items !== undefined || given.nextToken !== undefined
    return isPage ? { ...shown, ...given } : given
  }

  #shown(token: string | null): ShownPage | undefined {
    const { pageSize, window, emptyAfter = [] } = this.#script
    const isEmpty = token?.startsWith('empty-') === true
    const after = token?.replace(/^(empty|after)-/, '')
    // The latest place of an item that was bookmarked anew is the topmost; a token names the older one, if that is gone.
    const place = after === undefined ? -1 : this.#entries.findLastIndex(({ id }) => id === after)
    if (after !== undefined && place === -1) return undefined
    if (isEmpty) return { items: [], nextToken: `after-${after}` }
    const pinned = token === null && this.#pinned !== undefined ? [this.#pinned] : []
    const all = this.#entries.filter(({ id, isThere }) => isThere && id !== this.#pinned)
    const inWindow = all.slice(0, window === undefined ? undefined : window - pinned.length)
    const below = inWindow.filter((entry) => this.#entries.indexOf(entry) > place)
    const page = below.slice(0, pageSize - pinned.length)
    const last = page.at(-1)?.id
    const isEnd = last === undefined || page.length === below.length
    const kind = last !== undefined && emptyAfter.includes(last) ? 'empty' : 'after'
    return { items: [...pinned, ...page.map(({ id }) => id)], nextToken: isEnd ? null : `${kind}-${last}` }
  }
}
