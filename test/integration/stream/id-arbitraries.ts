import fc from 'fast-check'
import type { ItemIds } from '../../../src/stream/platforms/item-ids.ts'

export const MAX_ID = 2n ** 63n - 1n

/** 64-bit IDs of every length: halving spreads them, where a uniform choice makes nine of ten 19 digits long. */
export const decimalIds = fc
  .tuple(fc.bigInt({ min: 1n, max: MAX_ID }), fc.bigInt({ min: 0n, max: 62n }))
  .map(([id, halvings]) => (id >> halvings === 0n ? 1n : id >> halvings))

/** Two IDs, in half of the cases neighbours. */
export const pairsOfIds = fc.oneof(
  fc.tuple(decimalIds, decimalIds),
  decimalIds.map((id): [bigint, bigint] => [id, id < MAX_ID ? id + 1n : id - 1n]),
)

/** Milliseconds from one day to another. */
export function timesBetween(from: string, to: string) {
  return fc.integer({ min: Date.parse(from), max: Date.parse(to) })
}

/** How two item IDs compare: -1, 0 or 1 by the bytes of their keys; undefined where they don't. */
export function compareByKey(itemIds: ItemIds, left: string, right: string): number | undefined {
  const [leftKey, rightKey] = [itemIds.orderKey(left), itemIds.orderKey(right)]
  if (leftKey === undefined || rightKey === undefined) return undefined
  if (leftKey.split(':')[0] !== rightKey.split(':')[0]) return undefined
  return Buffer.compare(Buffer.from(leftKey), Buffer.from(rightKey))
}

/** -1, 0 or 1. */
export function compareNumbers(left: bigint, right: bigint): number {
  return left < right ? -1 : left > right ? 1 : 0
}
