import type { Database } from '../database/database.ts'
import type { Reach } from '../identity/principal.ts'

/** Makes a domain's loaders. All operations of one reach share them, so that their reads meet in one statement. */
export type MakeLoaders<Made> = (database: Database, reach: Reach) => Made

/** The loaders of one reach. Each is made when it is first needed. */
export class Loaders {
  readonly #database: Database
  readonly #reach: Reach
  readonly #made = new Map<MakeLoaders<unknown>, unknown>()

  constructor(database: Database, reach: Reach) {
    this.#database = database
    this.#reach = reach
  }

  /** @returns the result of `make`, the same one for the same function */
  of<Made>(make: MakeLoaders<Made>): Made {
    const known = this.#made.get(make)
    // The map's type cannot say that each function's value is what it makes.
    if (known !== undefined) return known as Made
    const made = make(this.#database, this.#reach)
    this.#made.set(make, made)
    return made
  }
}

/**
 * Gives callers of one reach the same loaders, so that their operations share statements. Callers of different reaches
 * never share one.
 */
export type LoadersOf = (reach: Reach) => Loaders

/** The loaders of a database: one set for callers that may see all users, and one for each other reach. */
export function createLoadersOf(database: Database): LoadersOf {
  const ofAll = new Loaders(database, 'all')
  const ofBound = new WeakMap<ReadonlySet<string>, Loaders>()
  return (reach) => {
    if (reach === 'all') return ofAll
    let loaders = ofBound.get(reach)
    if (!loaders) ofBound.set(reach, (loaders = new Loaders(database, reach)))
    return loaders
  }
}
