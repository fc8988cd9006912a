import {
  ClearCheckpointDocument,
  ReadCheckpointDocument,
  ReadHistoryDocument,
  ReadPlanDocument,
  type RevisionFieldsFragment,
  RollbackCheckpointDocument,
  SaveCheckpointDocument,
} from './generated/documents.ts'
import { randomKey } from './random-key.ts'
import { accept } from './refusals.ts'
import type { Checkpoint, Plan, Send } from './session.ts'

export interface CheckpointKey {
  /** Default: twitter/bookmarks. */
  readonly stream?: string | undefined
}

/** One version of a checkpoint, and who wrote it. */
export type Revision = RevisionFieldsFragment

export interface RollbackOptions {
  /** The version to restore. Exactly one of this and `toTime`. */
  readonly toVersion?: number | undefined
  /** Restores the version that was current then. */
  readonly toTime?: Date | string | undefined
  /** True: only says what would be restored. */
  readonly dryRun?: boolean | undefined
  /** The version that the checkpoint must have now. */
  readonly expectedVersion?: number | undefined
}

export interface Rollback {
  /** As it is now; in a dry run, as it would be. Null: the restored version is a clear. */
  readonly checkpoint: Checkpoint | null
  readonly target: Revision
  /** The version that the rollback made. Null: none, as in a dry run. */
  readonly revision: Revision | null
}

const DEFAULT_STREAM = 'twitter/bookmarks'
const PAGE = 100

/** The checkpoint of one list, without a session. While a session owns the list, writes are refused (BusyError). */
export class CheckpointManager {
  readonly userId: string
  readonly stream: string
  readonly #send: Send

  constructor(send: Send, userId: string, { stream = DEFAULT_STREAM }: CheckpointKey = {}) {
    this.#send = send
    this.userId = userId
    this.stream = stream
  }

  /** @returns null: none is saved */
  async getCheckpoint(): Promise<Checkpoint | null> {
    return (await this.#send(ReadCheckpointDocument, this.#key())).checkpoint
  }

  /**
   * Saves the last processed item.
   * @param itemId of the item; on Twitter a tweet ID
   * @param bookmarksCount the total processed so far. Without it the stored one stays.
   */
  async saveCheckpoint(itemId: string, bookmarksCount?: number): Promise<Checkpoint> {
    const input = { ...this.#key(), itemId, bookmarksCount, idempotencyKey: randomKey() }
    const saved = accept((await this.#send(SaveCheckpointDocument, { input })).result)
    // Only a save without an item saves a token alone.
    if (saved.__typename !== 'SaveCheckpointSuccess') throw new TypeError(`unexpected answer ${saved.__typename}`)
    return saved.checkpoint
  }

  /** @returns null: there is no checkpoint */
  async getLastTweetId(): Promise<string | null> {
    return (await this.getCheckpoint())?.lastItemId ?? null
  }

  /** Deletes the checkpoint; the history stays. @returns whether there was one */
  async clearCheckpoint(): Promise<boolean> {
    const before = await this.getCheckpoint()
    const { cleared } = accept((await this.#send(ClearCheckpointDocument, { input: this.#key() })).result)
    // An answer that got lost was repeated: then the clear that is the newest revision may be this one.
    if (cleared || before === null) return cleared
    for await (const { source, version } of this.history()) return source === 'CLEAR' && version > before.version
    return false
  }

  /** What the next crawl has to do. Null: there is no such user. Starts nothing. */
  async plan(): Promise<Plan | null> {
    return (await this.#send(ReadPlanDocument, this.#key())).resumePlan
  }

  /** Restores an earlier version, whoever wrote since. It becomes a new version. */
  async rollback({ toVersion, toTime, dryRun, expectedVersion }: RollbackOptions): Promise<Rollback> {
    const time = toTime instanceof Date ? toTime.toISOString() : toTime
    const input = { ...this.#key(), toVersion, toTime: time, dryRun, expectedVersion }
    const { checkpoint, target, revision } = accept((await this.#send(RollbackCheckpointDocument, { input })).result)
    return { checkpoint, target, revision }
  }

  /** The versions of the checkpoint, newest first, also after a clear. */
  async *history(): AsyncGenerator<Revision, void, undefined> {
    let after: string | null = null
    do {
      const { checkpointHistory } = await this.#page(after)
      yield* checkpointHistory.nodes
      const { hasNextPage, endCursor } = checkpointHistory.pageInfo
      after = hasNextPage ? endCursor : null
    } while (after !== null)
  }

  #page(after: string | null) {
    return this.#send(ReadHistoryDocument, { ...this.#key(), first: PAGE, after })
  }

  #key(): { readonly userId: string; readonly stream: string } {
    return { userId: this.userId, stream: this.stream }
  }
}
