import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { ignoreUpgrade } from './ignored-upgrade.ts'
import type { FindRefusal, Router } from './router.ts'
import type { WebSocketEndpoint } from './websocket-endpoint.ts'
import { asksForWebSocket } from './websocket-upgrade.ts'

/** Leads each request that asks for another protocol to who serves it: WebSocket, the router with its refusal, or HTTP as it is. */
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
    if (!asksForWebSocket(request)) {
      ignoreUpgrade(server, request, socket, head)
    } else if (findRefusal(request)) {
      void route(request, lastAnswerOn(socket, request))
    } else {
      connections.upgraded(socket)
      webSockets.accept(request, socket, head)
    }
  })
}

/** Node has detached the socket from its HTTP side by now. */
function lastAnswerOn(socket: Socket, request: IncomingMessage): ServerResponse {
  socket.on('error', () => undefined)
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    socket.destroySoon()
  })
  return response
}
