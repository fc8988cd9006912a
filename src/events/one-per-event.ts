import type { Feed } from './feed.ts'
import type { FeedEvent } from './outbox.ts'

/**
 * Makes of an event what subscribers are told, once for all of them: the same object, so that what many select of it need not be
 * executed for each (http/shared-results.ts). A sealed feed names each event's place in a way of its own: nothing of it is shared.
 */
export function onePerEvent<Event extends FeedEvent, Told extends object>(
  make: (feed: Feed, event: Event) => Told | undefined,
): (feed: Feed, event: Event) => Told | undefined {
  const toldByFeed = new WeakMap<Feed, WeakMap<Event, Told>>()
  return (feed, event) => {
    if (feed.isSealed) return make(feed, event)
    let told = toldByFeed.get(feed)
    if (!told) toldByFeed.set(feed, (told = new WeakMap<Event, Told>()))
    const known = told.get(event)
    if (known) return known
    const made = make(feed, event)
    if (made) told.set(event, made)
    return made
  }
}
