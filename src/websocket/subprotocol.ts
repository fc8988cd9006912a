import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL } from 'graphql-ws'

export const SUBPROTOCOL_NOT_ACCEPTABLE: number = CloseCode.SubprotocolNotAcceptable

/** The reason for closing a WebSocket of another subprotocol. Below 123 bytes, the room in a close frame. */
export const SUBPROTOCOL_REFUSAL =
  'The subprotocol is graphql-transport-ws: use the package graphql-ws, or event streams.'

/**
 * Chooses one of the subprotocols that a client offers: ours if it is among them, otherwise the first. The socket of
 * another subprotocol is closed at once, because only a client whose handshake succeeded can read the reason. So
 * clients of subscriptions-transport-ws, whose subprotocol is `graphql-ws`, learn what to do.
 */
export function chooseSubprotocol(offered: ReadonlySet<string>): string | false {
  const [first = false] = offered
  return offered.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : first
}
