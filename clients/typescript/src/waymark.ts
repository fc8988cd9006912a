import type { Document } from './typed-document.ts'
import { textOf } from './typed-document.ts'
import { type CheckpointKey, CheckpointManager } from './checkpoint-manager.ts'
import { crawl } from './crawl/crawl.ts'
import type { CrawlOptions, CrawlReport } from './crawl/options.ts'
import type {
  CheckpointFilter,
  CheckpointFollow,
  CrawlSessionFilter,
  FollowOptions,
  SessionFollow,
} from './follow/events.ts'
import { type FeedName, follow } from './follow/follow.ts'
import type { Session } from './session.ts'
import { startSession, type StartOptions } from './start-session.ts'
import { type RequestOptions, Transport, type TransportOptions } from './transport.ts'
import { LostError } from './errors.ts'

/** One Waymark server, as a client sees it. It holds no connection, and needs no end. */
export class Waymark {
  readonly #transport: Transport

  /** Default: WAYMARK_URL, or http://127.0.0.1:4000/graphql; WAYMARK_KEY. */
  constructor(options: TransportOptions = {}) {
    this.#transport = new Transport(options)
  }

  /**
   * Sends any operation, and repeats it where that helps and is safe.
   * @throws {WaymarkError} where the answer holds an error, or none came
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- an untyped text says nothing of its result
  async request<Result = Record<string, any>, Variables extends object = Record<string, unknown>>(
    document: Document<Result, Variables>,
    variables?: Variables,
    options?: RequestOptions,
  ): Promise<Result> {
    // What a document says of its result is all that the compiler can know of it.
    return (await this.#transport.send(textOf(document), variables, options)) as Result
  }

  /** The position of one list, by the four methods of the original CheckpointManager and more. */
  checkpointManager(userId: string, key: CheckpointKey = {}): CheckpointManager {
    return new CheckpointManager((...request) => this.request(...request), userId, key)
  }

  /** Crawls one list, as far as the plan says, and continues where the last crawl stopped. See docs/clients.md. */
  crawl<Item>(options: CrawlOptions<Item>): Promise<CrawlReport> {
    return crawl((...request) => this.request(...request), options)
  }

  /**
   * Takes a list for one run. `await using` stops it at the end of the block, unless it has ended.
   * @throws {BusyError} where another session owns the list
   * @throws {PausedError} where it is paused
   */
  startSession(options: StartOptions): Promise<Session> {
    return startSession((...request) => this.request(...request), options)
  }

  /**
   * Runs a function with a session: completes it when the function returns, stops it where that was asked for, and fails
   * it when the function throws.
   * @returns what the function returns
   */
  async runSession<Returned>(
    options: StartOptions,
    run: (session: Session) => Promise<Returned> | Returned,
  ): Promise<Returned> {
    const session = await this.startSession(options)
    try {
      const returned = await run(session)
      if (!session.hasEnded) await (session.stopRequested ? session.stop() : session.complete())
      return returned
    } catch (error) {
      const isOver = session.hasEnded || session.lost !== undefined || error instanceof LostError
      if (!isOver) await session.fail(error).catch(() => undefined)
      throw error
    }
  }

  /**
   * Tells the rows that are there, then every change, over any reconnect. An exception in the loop's body closes the
   * stream; an abort ends the loop. It waits for a server that went away, however long that takes.
   * @throws {WaymarkError} where no repeat can help, e.g. UNAUTHENTICATED
   */
  follow(
    feed: 'checkpoints',
    options?: FollowOptions<CheckpointFilter>,
  ): AsyncGenerator<CheckpointFollow, void, undefined>
  follow(feed: 'sessions', options?: FollowOptions<CrawlSessionFilter>): AsyncGenerator<SessionFollow, void, undefined>
  follow(feed: FeedName, options: FollowOptions<object> = {}): AsyncGenerator<unknown, void, undefined> {
    return follow(this.#transport, feed, options)
  }
}
