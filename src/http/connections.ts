import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Which sockets carry a request right now. server.closeIdleConnections() knows less: it leaves a socket open that has not sent
 * its first byte yet (browsers open some in advance), and one whose answer began before the shutdown and ends after it.
 */
export class Connections {
  readonly #answers = new Map<Socket, Set<ServerResponse>>()
  readonly #upgraded = new WeakSet<Socket>()
  #isDraining = false

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      if (this.#answers.has(socket)) return // its upgrade was ignored: see ignored-upgrade.ts
      this.#answers.set(socket, new Set())
      // Each request that is under way listens, and a client may send many at once: of more than ten Node would warn, on stderr.
      socket.setMaxListeners(0)
      socket.once('close', () => this.#answers.delete(socket))
    })
  }

  /** Sockets that are open, those that carry a WebSocket too. */
  get size(): number {
    return this.#answers.size
  }

  /** From now on the socket carries something else than requests; who serves that closes it, or destroyAll(). */
  upgraded(socket: Socket): void {
    this.#upgraded.add(socket)
  }

  /** Closes what is idle now, and each other socket when its answer is out; asks clients not to reuse it. */
  drain(): void {
    this.#isDraining = true
    for (const [socket, answers] of this.#answers) {
      if (answers.size === 0 && !this.#upgraded.has(socket)) socket.destroy()
      for (const answer of answers) announceClose(answer)
    }
  }

  destroyAll(): void {
    for (const socket of this.#answers.keys()) socket.destroy()
  }

  /** A request has come: its socket is at work until the answer is out. */
  begin({ socket }: IncomingMessage, response: ServerResponse): void {
    const answers = this.#answers.get(socket)
    answers?.add(response)
    if (this.#isDraining) announceClose(response)
    response.on('close', () => {
      answers?.delete(response)
      if (this.#isDraining && answers?.size === 0) socket.destroySoon()
    })
  }
}

function announceClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}
