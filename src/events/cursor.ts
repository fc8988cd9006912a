import { Fault } from '../errors/fault.ts'

/** A place in the feed: a generation of the outbox and an event in it. Clients see it as opaque text. */
export interface FeedCursor {
  /** A UUID. A database that lost events gets a new one: by itself, or by `feed reset`. */
  readonly generation: string
  readonly eventId: bigint
  /** What the event was (fingerprint.ts). Missing in cursors of earlier versions, and where there is no event. */
  readonly fingerprint?: string | undefined
}

/** The opaque text of a place in the feed. */
export function encodeFeedCursor({ generation, eventId, fingerprint }: FeedCursor): string {
  const parts = [generation, eventId, ...(fingerprint === undefined ? [] : [fingerprint])]
  return Buffer.from(parts.join(':')).toString('base64url')
}

/** @returns undefined if the text is not a cursor of a feed */
export function decodeFeedCursor(cursor: string): FeedCursor | undefined {
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  const [, generation, eventId, fingerprint] = /^([0-9a-f-]{36}):(\d{1,18})(?::([\w-]{8}))?$/.exec(text) ?? []
  if (generation === undefined || eventId === undefined) return undefined
  return { generation, eventId: BigInt(eventId), fingerprint }
}

/** Why a cursor of an earlier generation has expired. */
export const NEW_GENERATION =
  'the feed has begun anew, because the database lost events (a failover or a restore) or by feed reset; list again'

/**
 * The fault for a cursor from which the feed cannot continue without a gap.
 * @param why the reason; ends in what the client can do
 */
export function cursorExpired(why: string): Fault {
  return new Fault('CURSOR_EXPIRED', `The feed cannot continue from this cursor: ${why}.`)
}
