import { Fault } from '../errors/fault.ts'

/** A place in the feed: a generation of the outbox and an event in it. Clients see it as opaque text. */
export interface FeedCursor {
  /** A UUID. `feed reset` gives a restored database a new one. */
  readonly generation: string
  readonly eventId: bigint
}

/** The opaque text of a place in the feed. */
export function encodeFeedCursor({ generation, eventId }: FeedCursor): string {
  return Buffer.from(`${generation}:${eventId}`).toString('base64url')
}

/** @returns undefined if the text is not a cursor of a feed */
export function decodeFeedCursor(cursor: string): FeedCursor | undefined {
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  const [, generation, eventId] = /^([0-9a-f-]{36}):(\d{1,18})$/.exec(text) ?? []
  return generation === undefined || eventId === undefined ? undefined : { generation, eventId: BigInt(eventId) }
}

/**
 * The fault for a cursor from which the feed cannot continue without a gap.
 * @param why the reason; ends in what the client can do
 */
export function cursorExpired(why: string): Fault {
  return new Fault('CURSOR_EXPIRED', `The feed cannot continue from this cursor: ${why}.`)
}
