import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { ignoreUpgrade } from './ignored-upgrade.ts'
import type { FindRefusal, Router } from './router.ts'
import type { WebSocketEndpoint } from '../websocket/endpoint.ts'
import { asksForWebSocket } from '../websocket/upgrade.ts'

/**
 * Passes each upgrade request on: to the WebSocket endpoint, to the router if it is refused, or back to HTTP if the
 * upgrade is ignored. It waits until earlier requests of the same connection are answered, since Node hands the socket
 * over while it still writes those answers.
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
    // Node has removed its own listener, and an error without a listener would end the process.
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

/** The code that uses the socket notices that it is closed. */
function ignore(): void {}

/** A response for the socket, which Node has detached from HTTP by now. */
function lastAnswerOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once('finish', () => {
    socket.destroySoon()
  })
  return response
}
