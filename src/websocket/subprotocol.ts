import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL } from 'graphql-ws'

export const SUBPROTOCOL_NOT_ACCEPTABLE: number = CloseCode.SubprotocolNotAcceptable

/** Why a WebSocket of another subprotocol is closed. Below 123 bytes: what a close frame has room for. */
export const SUBPROTOCOL_REFUSAL =
  'The subprotocol is graphql-transport-ws: use the package graphql-ws, or event streams.'

/**
 * Chooses a subprotocol of those that a client offers. If ours is not among them, the first: the socket is then closed
 * at once, and only a client whose handshake succeeded can read the reason. So clients of subscriptions-transport-ws,
 * whose subprotocol is `graphql-ws`, learn what to do.
 */
export function chooseSubprotocol(offered: ReadonlySet<string>): string | false {
  const [first = false] = offered
  return offered.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : first
}
