import { isUtf8 } from 'node:buffer'
import { type Message, MessageType, parseMessage } from 'graphql-ws'

/** Closes a socket whose client broke the protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md */
export const BAD_REQUEST = 4400

/** An ID is kept for as long as its operation runs. Clients send UUIDs or counters. */
const LONGEST_ID = 256

/** What a client sent that the protocol forbids; the message is for the client, as the reason of the close: at most 123 bytes. */
export class BadMessage extends Error {
  override readonly name = 'BadMessage'
}

/**
 * Reads a message of a client.
 * @param isAcknowledged whether the client has been told connection_ack
 * @returns as graphql-ws wants it: an object that nobody else holds
 * @throws BadMessage where it is none, or none that a client may send at this time
 */
export function readMessage(data: Buffer, isAcknowledged: boolean): Message {
  const message = parse(data)
  switch (message.type) {
    case MessageType.ConnectionAck:
    case MessageType.Next:
    case MessageType.Error:
      throw new BadMessage(`A client may not send ${message.type}`)
    case MessageType.Complete:
      if (!isAcknowledged) throw new BadMessage('Send connection_init first')
      return message
    case MessageType.Subscribe:
      if (message.id.length > LONGEST_ID) throw new BadMessage(`An id has at most ${LONGEST_ID} characters`)
      // Without what else it has: it is kept for as long as the operation runs.
      return { type: message.type, id: message.id, payload: message.payload }
    case MessageType.ConnectionInit:
    case MessageType.Ping:
    case MessageType.Pong:
      return message
  }
}

/** The answer to a ping. Its payload comes back with it, unless it nests so deep that it can't be written. */
export function pongText(payload: Readonly<Record<string, unknown>> | undefined): string {
  try {
    return JSON.stringify({ type: MessageType.Pong, payload })
  } catch {
    return JSON.stringify({ type: MessageType.Pong })
  }
}

function parse(data: Buffer): Message {
  // A text frame is UTF-8 by the time that ws hands it over, a binary one may be anything.
  if (!isUtf8(data)) throw new BadMessage('Send UTF-8')
  try {
    return parseMessage(data.toString('utf8'))
  } catch {
    throw new BadMessage('Invalid message received')
  }
}
