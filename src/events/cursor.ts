import { Fault } from '../errors/fault.ts'

/** Names an event of the feed: which generation of the outbox, and its place in it. Opaque to clients. */
export interface FeedCursor {
  /** UUID; a restored database begins a new one. */
  readonly generation: string
  readonly eventId: bigint
}

export function encodeFeedCursor({ generation, eventId }: FeedCursor): string {
  return Buffer.from(`${generation}:${eventId}`).toString('base64url')
}

/** undefined: the text is no cursor of a feed. */
export function decodeFeedCursor(cursor: string): FeedCursor | undefined {
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  const [, generation, eventId] = /^([0-9a-f-]{36}):(\d{1,18})$/.exec(text) ?? []
  return generation === undefined || eventId === undefined ? undefined : { generation, eventId: BigInt(eventId) }
}

/** The client's cursor names a place that can't be gone on from without a gap. @param why ends in what to do */
export function cursorExpired(why: string): Fault {
  return new Fault('CURSOR_EXPIRED', `This cursor can't be continued from: ${why}.`)
}
