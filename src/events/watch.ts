import { setImmediate as nextTurn } from 'node:timers/promises'
import { Repeater } from '@repeaterjs/repeater'
import { Fault } from '../fault.ts'
import { cursorExpired } from './cursor.ts'
import type { Feed } from './feed.ts'
import type { FeedEvent } from './outbox.ts'

/** Events a subscriber takes from the feed at once: what it costs in memory while its client reads nothing. */
const PAGE_SIZE = 100
const RETRY_MS = 1_000

/**
 * The events after a place in the log, in its order, for as long as somebody reads them: each is pushed once the one before was taken.
 * A bare Repeater that awaits each push: an async generator would keep its source open until the next event after its client has gone.
 * @param after the place; its event is not told again
 * @param select what the subscriber wants of an event; undefined: nothing
 * @throws (into the stream) Fault CURSOR_EXPIRED where the reader was slower than the retention of the feed, or the feed began anew
 */
export function watchFeed<Selected>(
  feed: Feed,
  after: bigint,
  select: (event: FeedEvent) => Selected | undefined,
): Repeater<Selected> {
  let position = after
  // Now, not when the first event is asked for: the place is of this generation.
  const { generation } = feed
  return new Repeater(async (push, stop) => {
    let stopped = false
    let wake = () => {}
    const unsubscribe = feed.onMove(() => wake())
    void stop.then(() => {
      stopped = true
      wake()
    })
    const isLive = () => !stopped && !feed.closed
    const requireGeneration = () => {
      if (feed.generation !== generation) throw cursorExpired('the feed began anew (a restored database); list again')
    }
    try {
      while (isLive()) {
        let events: readonly FeedEvent[] = []
        let retryMs: number | undefined
        const waitFor = new Promise<void>((resolve) => (wake = resolve))
        requireGeneration()
        try {
          events = await feed.read(position, PAGE_SIZE)
        } catch (error) {
          if (error instanceof Fault && error.code === 'CURSOR_EXPIRED') throw error
          // The feed's reader says in the log that the database is away.
          retryMs = RETRY_MS
        }
        for (const event of events) {
          if (!isLive()) break
          requireGeneration()
          position = event.eventId
          const selected = select(event)
          if (selected !== undefined) await push(selected)
        }
        // A thousand subscribers whose filter matches nothing of a burst must not keep everybody else waiting meanwhile.
        if (events.length === PAGE_SIZE) await nextTurn()
        if (events.length > 0 || !isLive()) continue
        const timer = retryMs === undefined ? undefined : setTimeout(wake, retryMs)
        await waitFor
        clearTimeout(timer)
      }
    } finally {
      unsubscribe()
    }
    stop()
  })
}
