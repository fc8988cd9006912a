import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { ignoreUpgrade } from './ignored-upgrade.ts'
import type { FindRefusal, Router } from './router.ts'
import type { WebSocketEndpoint } from '../websocket/endpoint.ts'
import { asksForWebSocket } from '../websocket/upgrade.ts'

/**
 * Leads each request that asks for another protocol to who serves it: WebSocket, the router with its refusal, or HTTP as it is. It waits
 * until what was asked before on the same connection is answered: Node hands the socket over while it still writes those answers.
 */
export function listenForUpgrades(
  server: Server,
  {
    connections,
    route,
    findRefusal,
    webSockets,
  }: { connections: Connections; route: Router; findRefusal: FindRefusal; webSockets: WebSocketEndpoint },
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Node has taken its own listener off, and an error that nobody hears would end the process.
    socket.on('error', ignore)
    connections.upgrade(socket, () => {
      if (!asksForWebSocket(request)) {
        socket.off('error', ignore)
        ignoreUpgrade(server, request, socket, head)
      } else if (findRefusal(request)) {
        const response = lastAnswerOn(socket, request)
        connections.begin(request, response, () => void route(request, response))
      } else {
        webSockets.accept(request, socket, head)
      }
    })
  })
}

/** Whoever uses the socket sees it closed. */
function ignore(): void {}

/** Node has detached the socket from its HTTP side by now. */
function lastAnswerOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    socket.destroySoon()
  })
  return response
}
