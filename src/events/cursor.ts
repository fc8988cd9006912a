/** Names an event of the feed: which generation of the outbox, and its place in it. Opaque to clients. */
export interface FeedCursor {
  /** UUID; a restored database begins a new one. */
  readonly generation: string
  readonly eventId: bigint
}

export function encodeFeedCursor({ generation, eventId }: FeedCursor): string {
  return Buffer.from(`${generation}:${eventId}`).toString('base64url')
}
