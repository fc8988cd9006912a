import { isUtf8 } from 'node:buffer'
import { type Message, MessageType, parseMessage } from 'graphql-ws'

/**
 * The code that closes a socket whose client broke the protocol:
 * https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export const BAD_REQUEST = 4400

/** The longest ID: it is kept as long as its operation runs. Clients send UUIDs or counters. */
const LONGEST_ID = 256

/**
 * Thrown if a client breaks the protocol. The message is for the client, as the reason of the close: at most 123 bytes.
 */
export class BadMessage extends Error {
  override readonly name = 'BadMessage'
}

/**
 * Reads a message of a client.
 * @param isAcknowledged whether connection_ack was sent to the client
 * @returns the message for graphql-ws: an object that nothing else references
 * @throws BadMessage if it is not a message, or not one that a client may send now
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
      // Other members are dropped: the message is kept as long as the operation runs.
      return { type: message.type, id: message.id, payload: message.payload }
    case MessageType.ConnectionInit:
    case MessageType.Ping:
    case MessageType.Pong:
      return message
  }
}

/** The answer to a ping. It repeats the ping's payload, unless that nests too deep to be written as JSON. */
export function pongText(payload: Readonly<Record<string, unknown>> | undefined): string {
  try {
    return JSON.stringify({ type: MessageType.Pong, payload })
  } catch {
    return JSON.stringify({ type: MessageType.Pong })
  }
}

function parse(data: Buffer): Message {
  // ws has checked that a text frame is UTF-8. A binary frame may contain anything.
  if (!isUtf8(data)) throw new BadMessage('Send UTF-8')
  try {
    return parseMessage(data.toString('utf8'))
  } catch {
    throw new BadMessage('Invalid message received')
  }
}
