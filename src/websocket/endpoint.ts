import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CloseCode, makeServer, MessageType } from 'graphql-ws'
import type { Logger } from 'pino'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import type { Admit } from '../operations/exchange/admission.ts'
import { Fault } from '../errors/fault.ts'
import { describeError } from '../errors/describe-error.ts'
import type { Pipeline } from '../operations/pipeline.ts'
import type { LargeRequests } from '../limits/large-requests.ts'
import { bodyLimitBytes } from '../http/requests/read-body.ts'
import { SLOW_CLIENT_CLOSE, slowClientReason } from '../operations/streams/slow-client.ts'
import { WebSocketConnection } from './connection.ts'
import { BAD_REQUEST, BadMessage, pongText, readMessage } from './message.ts'
import { createSocketHooks, type SocketContext, TRY_AGAIN_LATER } from './hooks.ts'
import { SocketOperations, type Watchers } from './operations.ts'
import { chooseSubprotocol, SUBPROTOCOL_NOT_ACCEPTABLE, SUBPROTOCOL_REFUSAL } from './subprotocol.ts'
import { type BegunMessage, MessageTurns } from './turns.ts'
import { UnauthenticatedSockets } from './unauthenticated.ts'

/** The most fragments of one message: each may keep some hundred bytes, however short it is. */
const MOST_FRAGMENTS = 256
/** The time that a client has to close a socket that we have closed. Then it is cut off. */
const CLOSE_TIMEOUT_MS = 4_000

/**
 * Serves GraphQL over WebSocket, subprotocol graphql-transport-ws:
 * https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export interface WebSocketEndpoint {
  /** Takes over a socket whose request asked for the upgrade. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes each socket when its queries and mutations are answered, so that its client connects to another server. */
  drain(): void
  /** The number of open sockets. */
  readonly size: number
}

interface WebSocketOptions extends Watchers {
  readonly admit: Admit
  /** The work in progress, even after its client has left. */
  readonly inFlight: Set<Promise<void>>
  readonly largeRequests: LargeRequests
  /** How long a client may take to send connection_init, milliseconds. */
  readonly initTimeoutMs: number
}

export function createWebSocketEndpoint(
  log: Logger,
  pipeline: Pipeline,
  { admit, inFlight, largeRequests, initTimeoutMs, ...watchers }: WebSocketOptions,
): WebSocketEndpoint {
  const protocol = makeServer<Record<string, unknown> | undefined, SocketContext>(
    createSocketHooks(pipeline, admit, initTimeoutMs),
  )
  const connections = new Set<WebSocketConnection>()
  const unauthenticated = new UnauthenticatedSockets()
  // A variable, because the types of ws do not have closeTimeout yet.
  const options: ServerOptions & { readonly closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: bodyLimitBytes,
    maxFragments: MOST_FRAGMENTS,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: chooseSubprotocol,
  }
  const webSockets = new WebSocketServer(options)

  function serve(socket: WebSocket, { socket: transport, headers: { authorization } }: IncomingMessage): void {
    const operations = new SocketOperations(log, watchers)
    const connection = new WebSocketConnection(socket, {
      countStreaming: () => operations.streaming,
      onSlow: () => {
        connection.close(SLOW_CLIENT_CLOSE, slowClientReason(operations.cursors))
      },
    })
    connections.add(connection)
    const door = unauthenticated.enter(socket, transport)
    const close = (code: number, reason: string) => {
      if (door.hasPassed) connection.close(code, reason)
      else door.refuse(code, reason)
    }
    let subject = ''
    const onMessage = (handle: (message: string) => Promise<void>) => {
      const turns = new MessageTurns({
        largeRequests,
        subject: () => subject,
        begin: (data) => begin(handle, data),
        onWait: (waits) => {
          connection.hold(waits)
        },
      })
      connection.onMessage((data) => {
        const handling = turns.isFree(data.byteLength) ? handleNow(handle, data) : turns.handle(data)
        const handled = handling.catch(fail).finally(() => inFlight.delete(handled))
        inFlight.add(handled)
        return handled
      })
    }
    // Not an async function: a waiting async function keeps its arguments, here a message for as long as its
    // subscription.
    function handleNow(handle: (message: string) => Promise<void>, data: Buffer): Promise<void> {
      try {
        // graphql-ws calls its parseMessage with this, which also accepts a parsed message.
        return handle(readMessage(data, door.hasPassed) as unknown as string)
      } catch (error) {
        return Promise.reject(error instanceof Error ? error : new Error(String(error)))
      }
    }
    function begin(handle: (message: string) => Promise<void>, data: Buffer): BegunMessage {
      // Whoever has gone by now waits for no answer.
      if (!connection.isOpen) return { handled: Promise.resolve(), forgotten: Promise.resolve() }
      const message = readMessage(data, door.hasPassed)
      const handled = handle(message as unknown as string)
      const over = handled.catch(() => undefined)
      const isOperation = message.type === MessageType.Subscribe
      return {
        handled,
        forgotten: isOperation ? Promise.race([over, operations.untilPrepared(message.payload)]) : over,
      }
    }
    const { protocol: subprotocol } = connection
    const closed = protocol.opened(
      {
        protocol: subprotocol,
        send: (text) => connection.send(text),
        close: (code = 1000, reason = '') => {
          close(code, code === SUBPROTOCOL_NOT_ACCEPTABLE ? SUBPROTOCOL_REFUSAL : reason)
        },
        onMessage,
        onPing: (payload) => connection.send(pongText(payload)),
      },
      {
        operations,
        credentials: { authorization },
        close,
        onAdmitted: (admitted) => {
          subject = admitted.principal.subject
          door.pass()
        },
        onStream: () => {
          connection.streams()
        },
      },
    )
    // For a message that is too long or a frame against the protocol, ws closes the socket itself with the right code.
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
      if (error instanceof BadMessage) {
        log.debug({ reason: error.message }, 'a WebSocket client broke the protocol')
        close(BAD_REQUEST, error.message)
        return
      }
      if (error instanceof Fault && error.code === 'OVERLOADED') {
        close(TRY_AGAIN_LATER, 'Try again later')
        return
      }
      log.warn({ error: describeError(error, { stack: true }) }, 'could not handle a WebSocket message')
      close(CloseCode.InternalServerError, 'Internal server error')
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
