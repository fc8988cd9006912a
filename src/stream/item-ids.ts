import { nameProblem } from '../identifier.ts'

/** What the item IDs of a platform are. Pure; the clock is handed in. */
export interface ItemIds {
  /**
   * Says what is wrong with an item ID, or undefined where nothing is.
   * @param now the database's time: an ID that carries a later one (by more than a minute) was not made yet
   */
  problem(itemId: string, now: Date): string | undefined
}

/** Item IDs of which nothing is known but that they fit the column: 1 to 255 characters, none a control character. */
export const textItemIds: ItemIds = { problem: nameProblem }
