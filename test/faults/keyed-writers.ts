import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { withClient } from '../support/database.ts'

const SAVE = `mutation ($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) {
  __typename ... on UserError { message } ... on SaveCheckpointSuccess { created checkpoint { version lastItemId } } } }`
const PAUSE_MS = 20
/** Far above what any answer is promised to take. */
const PATIENCE_MS = 15_000

interface Answer {
  readonly data?: { readonly result: { readonly __typename: string; readonly message?: string } } | null
  readonly errors?: readonly { readonly message: string; readonly extensions: { readonly code: string } }[]
}

/**
 * Clients that save one item after the other, four to a checkpoint, each under an idempotencyKey with which they try again until they are
 * told that it is saved: as a careful crawler does. So each item must be there exactly once, whatever happens between.
 */
export class KeyedWriters {
  /** Item IDs whose save was answered with success, by user. */
  readonly acknowledged = new Map<string, string[]>()
  /** How often a top-level error came with this code, and `network` where no answer came. */
  readonly failures = new Map<string, number>()
  /** What should never have been answered. */
  readonly refusals: string[] = []
  /** How long the slowest answer of any kind took. */
  slowestMs = 0
  /** How long it took at the most until an item was acknowledged, all attempts together. */
  slowestSaveMs = 0
  readonly #urlOf: () => string
  readonly #running: Promise<unknown>
  #stopped = false

  constructor(urlOf: () => string, count = 16) {
    this.#urlOf = urlOf
    this.#running = Promise.all(Array.from({ length: count }, (_, writer) => this.#write(writer)))
  }

  /** Users to be registered before. */
  static users(count = 16): string[] {
    return Array.from({ length: Math.ceil(count / 4) }, (_, place) => `writer-${place}`)
  }

  get count(): number {
    return [...this.acknowledged.values()].reduce((sum, items) => sum + items.length, 0)
  }

  /** Until so many more saves were acknowledged: whatever was in the way is over. */
  async goOn(more = 32): Promise<void> {
    const before = this.count
    await expect.poll(() => this.count, { timeout: 30_000 }).toBeGreaterThanOrEqual(before + more)
  }

  /** Lets each finish what it has begun. To be called while the server answers. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #write(writer: number): Promise<void> {
    const userId = `writer-${writer >> 2}`
    const acknowledged = this.acknowledged.get(userId) ?? []
    this.acknowledged.set(userId, acknowledged)
    for (let turn = 1; !this.#stopped; turn += 1) {
      const itemId = String(writer * 1_000_000 + turn)
      const input = { userId, itemId, bookmarksAdded: 1, idempotencyKey: randomUUID() }
      const from = performance.now()
      while (!(await this.#save(input))) {
        if (performance.now() - from > 120_000) throw new Error(`item ${itemId} could not be saved in 120 s`)
        await delay(PAUSE_MS)
      }
      this.slowestSaveMs = Math.max(this.slowestSaveMs, performance.now() - from)
      acknowledged.push(itemId)
    }
  }

  /** @returns whether it was acknowledged */
  async #save(input: Record<string, unknown>): Promise<boolean> {
    const from = performance.now()
    let answer: Answer
    try {
      const response = await fetch(this.#urlOf(), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: SAVE, variables: { input } }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
      answer = (await response.json()) as Answer
    } catch {
      this.#count('network')
      return false
    } finally {
      this.slowestMs = Math.max(this.slowestMs, performance.now() - from)
    }
    for (const { extensions } of answer.errors ?? []) this.#count(extensions.code)
    const result = answer.data?.result
    if (result && result.__typename !== 'SaveCheckpointSuccess') this.refusals.push(JSON.stringify(result))
    return result?.__typename === 'SaveCheckpointSuccess'
  }

  #count(code: string): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1)
  }
}

/** What a caller may be told of an outage: each says that trying again helps. */
export const RETRIABLE = ['SERVICE_UNAVAILABLE', 'OVERLOADED', 'RATE_LIMITED']

/** Every acknowledged save is one revision, nothing else is there, versions run from 1 without a gap, and the counts are right. */
export async function expectEachSavedOnce(databaseUrl: string, writers: KeyedWriters): Promise<void> {
  expect(writers.refusals).toEqual([])
  await withClient(databaseUrl, async (client) => {
    for (const [userId, acknowledged] of writers.acknowledged) {
      const { rows } = await client.query<{ version: number; last_item_id: string }>(
        'SELECT version, last_item_id FROM crawler.checkpoint_revision WHERE user_id = $1 ORDER BY version',
        [userId],
      )
      expect(rows.map(({ version }) => version)).toEqual(rows.map((_, place) => place + 1))
      expect(rows.map(({ last_item_id }) => last_item_id).sort()).toEqual([...acknowledged].sort())
      const stored = await client.query(
        'SELECT last_tweet_id, bookmarks_count FROM crawler.crawl_checkpoint WHERE user_id = $1',
        [userId],
      )
      const last = rows.at(-1)?.last_item_id
      expect(stored.rows).toEqual([{ last_tweet_id: last, bookmarks_count: acknowledged.length }])
    }
  })
}
