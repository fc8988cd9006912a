import type { Page } from '../../examples/follow-plan.ts'
import type { SeededRandom } from '../support/crawl-random.ts'

/** What a platform does to whoever pages through it. Which of them a list has is drawn once. */
export interface Hazards {
  readonly pageSize: number
  /** Only so many of the newest items are shown. */
  readonly window: number | undefined
  readonly hasPins: boolean
  readonly hasEmptyPages: boolean
  /** A page says at times that the list ends with it, once. */
  readonly hasFalseEnds: boolean
  readonly refusesTokens: boolean
  /** A token is a number of items to skip. */
  readonly hasOffsets: boolean
  readonly hasRemovals: boolean
  /** Items come back below the top: made public again. */
  readonly hasReturns: boolean
}

interface Entry {
  readonly id: string
  /** Newest first: the greater one comes first. */
  readonly position: number
  /** When it came to the place where it is. */
  readonly since: number
  /** Whether it came to a place where no incremental crawl looks. */
  readonly isBelow: boolean
}

/** Longer lists of pages of one would take most of the time of a run. */
const MOST_ITEMS = 60

/** A list of bookmarks, newest first, that changes while it is read. Its time is a number of steps. */
export class SimulatedList {
  now = 0
  /** Whether the tokens lead back up, for as long as this is set. */
  loops = false
  fetched = 0
  #entries: Entry[] = []
  readonly #taken: Entry[] = []
  #pinned: string | undefined
  #ids = 1_000
  #positions = 0
  /** Each run of items that were ever neighbours, in their order. */
  readonly #neighbours = new Set<string>()
  /** How many neighbours look like an anchor. */
  #anchorSize: 2 | 3 = 3
  #wasShown = new Set<string>()
  /** The tokens that were given out since the loop began. */
  #round: string[] = []
  readonly #falseEnds = new Set<string>()
  readonly #random: SeededRandom
  readonly hazards: Hazards

  constructor(random: SeededRandom, hazards: Hazards, length: number) {
    this.#random = random
    this.hazards = hazards
    for (let item = 0; item < length; item += 1) this.add()
  }

  /** What a crawl from the top to the end would be shown now. */
  shown(): readonly Entry[] {
    const pinned = this.#entries.filter(({ id }) => id === this.#pinned)
    const others = this.#entries.filter(({ id }) => id !== this.#pinned)
    return [...pinned, ...others].slice(0, this.hazards.window)
  }

  add(): void {
    this.#ids += 1
    this.#entries.unshift(this.#entry(String(this.#ids)))
    this.#note()
  }

  /** One change, as users make them. */
  change(): void {
    this.now += 1
    const draw = this.#random.below(100)
    const isFull = this.#entries.length > MOST_ITEMS
    if (isFull && this.hazards.hasRemovals) this.#remove()
    else if (draw < 55 && !isFull) this.add()
    else if (draw < 75 && this.hazards.hasRemovals) this.#remove()
    else if (draw < 90) this.#bookmarkAnew()
    else if (draw < 95 && this.hazards.hasPins) this.#pin()
    else if (this.hazards.hasReturns) this.#return()
  }

  #entry(id: string): Entry {
    this.#positions += 1
    return { id, position: this.#positions, since: this.now, isBelow: false }
  }

  #remove(): void {
    if (this.#entries.length < 3) return
    const [taken] = this.#entries.splice(this.#random.below(this.#entries.length), 1)
    if (taken) this.#taken.push(taken)
    this.#note()
  }

  #bookmarkAnew(): void {
    const entry = this.#entries[this.#random.below(this.#entries.length)]
    if (!entry) return
    const rest = this.#entries.filter((other) => other !== entry)
    this.#take([this.#entry(entry.id), ...rest], this.#pinned)
  }

  #pin(): void {
    const pinned = this.#random.below(3) === 0 ? undefined : this.#entries[this.#random.below(this.#entries.length)]?.id
    // A pinned item comes to the top. The one that was pinned goes back to its place, where it appears below.
    const moved = this.#entries.map((entry) => {
      if (entry.id === pinned) return { ...entry, since: this.now, isBelow: false }
      return entry.id === this.#pinned ? { ...entry, since: this.now, isBelow: true } : entry
    })
    this.#take(moved, pinned)
  }

  #return(): void {
    const [entry] = this.#taken.splice(this.#random.below(Math.max(this.#taken.length, 1)), 1)
    if (!entry || this.#entries.some(({ id }) => id === entry.id)) return
    const back = { ...entry, since: this.now, isBelow: true }
    this.#entries = [...this.#entries, back].sort((a, b) => b.position - a.position)
    this.#note()
  }

  /**
   * Three old neighbours that come to the top in their old order look like an anchor, which no incremental crawl can
   * tell from one. So nothing is moved that makes three of them neighbours again; where a head may have held two items
   * only, no two.
   */
  #take(entries: Entry[], pinned: string | undefined): void {
    const before = { entries: this.#entries, pinned: this.#pinned }
    const known = new Set(this.#runs())
    this.#entries = entries
    this.#pinned = pinned
    const made = this.#runs().filter((run) => !known.has(run))
    if (made.some((run) => this.#neighbours.has(run))) {
      this.#entries = before.entries
      this.#pinned = before.pinned
    }
    this.#note()
  }

  /** What a window shows anew, and did not come to the top just now, appears below. */
  #note(): void {
    const surfaced = this.shown().filter(({ id, since }) => since < this.now && !this.#wasShown.has(id))
    if (surfaced.length > 0) {
      this.#entries = this.#entries.map((entry) =>
        surfaced.includes(entry) ? { ...entry, since: this.now, isBelow: true } : entry,
      )
    }
    this.#wasShown = new Set(this.shown().map(({ id }) => id))
    for (const size of [2, 3]) for (const run of runsOf(this.shown().slice(0, 60), size)) this.#neighbours.add(run)
  }

  #runs(): string[] {
    return runsOf(this.shown(), this.#anchorSize)
  }

  /** Answers as a platform would. */
  fetchPage(token: string | null): Page {
    this.fetched += 1
    this.now += 1
    if (token !== null && this.hazards.refusesTokens && this.#random.below(40) === 0) return { isTokenRefused: true }
    const shown = this.shown()
    if (this.hazards.pageSize < 3 || shown.length < 3) this.#anchorSize = 2
    const { start, isEmpty } = this.#startOf(token, shown)
    const entries = isEmpty ? [] : shown.slice(start, start + this.hazards.pageSize)
    const end = start + entries.length
    const ids = entries.map(({ id }) => id)
    if (end >= shown.length && !isEmpty) return { ids, next: null }
    const isFalseEnd = this.hazards.hasFalseEnds && this.#random.below(10) === 0 && !this.#falseEnds.has(`${token}`)
    if (isFalseEnd) {
      this.#falseEnds.add(`${token}`)
      return { ids, next: null }
    }
    this.#falseEnds.delete(`${token}`)
    // An empty page in the middle: the next one begins where this one would have.
    const isBeforeEmpty = this.hazards.hasEmptyPages && this.#random.below(6) === 0
    if (this.hazards.hasOffsets) return { ids, next: String(end) }
    const place = shown.slice(0, end).findLast(({ id }) => id !== this.#pinned)?.position ?? this.#positions + 1
    return { ids, next: this.#inRound(`${isBeforeEmpty ? 'empty-' : ''}${place}`) }
  }

  /** Where the tokens go round, each third leads back to the first. */
  #inRound(token: string): string {
    if (!this.loops) this.#round = []
    else if (this.#round.length < 3) this.#round.push(token)
    return this.#round.length === 3 && this.loops ? (this.#round[0] ?? token) : token
  }

  #startOf(token: string | null, shown: readonly Entry[]): { readonly start: number; readonly isEmpty: boolean } {
    if (token === null) return { start: 0, isEmpty: false }
    if (this.hazards.hasOffsets) return { start: Math.min(Number(token), shown.length), isEmpty: false }
    const position = Number(token.replace('empty-', ''))
    const isBelow = ({ id, position: own }: Entry) => id !== this.#pinned && own < position
    const found = shown.findIndex(isBelow)
    return { start: found === -1 ? shown.length : found, isEmpty: token.startsWith('empty-') }
  }
}

function runsOf(entries: readonly Entry[], size: number): string[] {
  const ids = entries.map(({ id }) => id)
  return ids.slice(size - 1).map((_, at) => ids.slice(at, at + size).join(' '))
}
