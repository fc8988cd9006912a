import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CloseCode, makeServer } from 'graphql-ws'
import type { Logger } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Admit } from './admission.ts'
import { describeError } from './describe-error.ts'
import type { Pipeline, Present } from './graphql-pipeline.ts'
import { bodyLimitBytes } from './read-body.ts'
import { SLOW_CLIENT_CLOSE, slowClientReason } from './slow-client.ts'
import { WebSocketConnection } from './websocket-connection.ts'
import { createSocketHooks, type SocketContext } from './websocket-hooks.ts'
import { SocketOperations, type Watchers } from './websocket-operations.ts'
import { chooseSubprotocol, SUBPROTOCOL_NOT_ACCEPTABLE, SUBPROTOCOL_REFUSAL } from './websocket-subprotocol.ts'

/** GraphQL over WebSocket, subprotocol graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md */
export interface WebSocketEndpoint {
  /** Takes over a socket whose request asked for the upgrade. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes each socket as soon as its queries and mutations are answered, so that its client goes elsewhere. */
  drain(): void
  /** Sockets that are open. */
  readonly size: number
}

/** @param inFlight where whatever is being worked on is kept, also when its client has left */
export function createWebSocketEndpoint(
  log: Logger,
  pipeline: Pipeline,
  {
    present,
    admit,
    inFlight,
    initTimeoutMs,
    ...watchers
  }: { present: Present; admit: Admit; inFlight: Set<Promise<void>>; initTimeoutMs: number } & Watchers,
): WebSocketEndpoint {
  const protocol = makeServer<Record<string, unknown> | undefined, SocketContext>(
    createSocketHooks(pipeline, present, admit, initTimeoutMs),
  )
  const connections = new Set<WebSocketConnection>()
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: bodyLimitBytes,
    handleProtocols: chooseSubprotocol,
  })

  function serve(socket: WebSocket, { headers: { authorization } }: IncomingMessage): void {
    const operations = new SocketOperations(log, watchers)
    const connection = new WebSocketConnection(socket, {
      countStreaming: () => operations.streaming,
      onSlow: () => {
        connection.close(SLOW_CLIENT_CLOSE, slowClientReason(operations.cursors))
      },
    })
    connections.add(connection)
    const onMessage = (handle: (text: string) => Promise<void>) => {
      connection.onMessage((text) => {
        const handled = handle(text)
          .catch(fail)
          .finally(() => inFlight.delete(handled))
        inFlight.add(handled)
        return handled
      })
    }
    const { protocol: subprotocol } = connection
    const closed = protocol.opened(
      {
        protocol: subprotocol,
        send: (text) => connection.send(text),
        close: (code = 1000, reason = '') => {
          connection.close(code, code === SUBPROTOCOL_NOT_ACCEPTABLE ? SUBPROTOCOL_REFUSAL : reason)
        },
        onMessage,
      },
      {
        operations,
        credentials: { authorization },
        close: (code, reason) => {
          connection.close(code, reason)
        },
        onStream: () => {
          connection.streams()
        },
      },
    )
    // Too long a message, a frame against the protocol: ws closes by itself, with the code for it.
    socket.on('error', (error) => {
      log.debug(
        { error: describeError(error, { stack: false }) },
        'a WebSocket client broke the protocol or the connection',
      )
    })
    socket.once('close', (code, reason) => {
      connections.delete(connection)
      operations.leave()
      closed(code, reason.toString()).catch((error: unknown) => {
        log.error({ error: describeError(error, { stack: true }) }, 'unexpected error while a WebSocket closed')
      })
    })

    function fail(error: unknown): void {
      log.warn({ error: describeError(error, { stack: true }) }, 'could not handle a WebSocket message')
      connection.close(CloseCode.InternalServerError, 'Internal server error')
    }
  }

  return {
    accept(request, socket, head) {
      webSockets.handleUpgrade(request, socket, head, serve)
    },
    get size() {
      return connections.size
    },
    drain() {
      for (const connection of connections) connection.drain()
    },
  }
}
