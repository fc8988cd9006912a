import type { Feed } from './feed.ts'
import type { FeedEvent } from './outbox.ts'

/**
 * Makes the value that subscribers get for an event once, and gives all of them the same object. So results of equal
 * selections are executed once (operations/streams/shared-results.ts). A sealed feed encrypts each event's cursor
 * differently, so its values are never shared.
 * @param make makes the value of one event; undefined: subscribers do not get this event
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
