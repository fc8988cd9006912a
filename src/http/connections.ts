import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The most requests of one connection that run at the same time. Further pipelined requests wait until answers are
 * sent, and the connection is not read meanwhile. Up to 64 KiB, which is one read, are parsed by then.
 */
const MOST_AT_ONCE = 100

interface Connection {
  /** Answers that are not sent yet, including those of waiting requests. */
  readonly answers: Set<ServerResponse>
  /** Functions that start the waiting requests, the oldest first. */
  readonly waiting: (() => void)[]
  /** Whether the connection has been upgraded, or its upgrade waits for the last answer. */
  isUpgraded: boolean
  /** Called when the last answer is sent. */
  onQuiet: (() => void) | undefined
}

/**
 * Knows which sockets carry a request now. server.closeIdleConnections() knows less: it leaves a socket open that has
 * not sent its first byte (browsers open some in advance), and one whose answer began before the shutdown and ends
 * after it.
 */
export class Connections {
  readonly #open = new Map<Socket, Connection>()
  readonly #upgradePatienceMs: number
  #isDraining = false

  /**
   * @param upgradePatienceMs how long an upgrade waits for earlier answers before its connection is closed,
   * milliseconds
   */
  constructor(server: Server, { upgradePatienceMs }: { readonly upgradePatienceMs: number }) {
    this.#upgradePatienceMs = upgradePatienceMs
    server.on('connection', (socket: Socket) => {
      const known = this.#open.get(socket)
      if (known) {
        // ignored-upgrade.ts emits 'connection' again for an upgrade that was ignored.
        known.isUpgraded = false
        return
      }
      const connection: Connection = { answers: new Set(), waiting: [], isUpgraded: false, onQuiet: undefined }
      this.#open.set(socket, connection)
      // Node resumes the socket at the end of each request.
      socket.on('resume', () => {
        if (connection.waiting.length > 0 || connection.onQuiet) socket.pause()
      })
      // Each running request listens, and a client may send many at once. Node warns on stderr above ten listeners.
      socket.setMaxListeners(0)
      socket.once('close', () => this.#open.delete(socket))
    })
  }

  /** The number of open sockets, including those of WebSockets. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Ends HTTP on the socket, unless 'connection' is emitted for it again. The new protocol's code closes it, or
   * destroyAll() does.
   * @param serve called when the answers to earlier requests are sent; if that takes too long, the socket is closed
   * instead
   */
  upgrade(socket: Socket, serve: () => void): void {
    const connection = this.#open.get(socket)
    if (!connection) return
    connection.isUpgraded = true
    if (connection.answers.size === 0) {
      serve()
      return
    }
    socket.pause()
    const givingUp = setTimeout(() => socket.destroy(), this.#upgradePatienceMs)
    socket.once('close', () => {
      clearTimeout(givingUp)
    })
    connection.onQuiet = () => {
      clearTimeout(givingUp)
      connection.onQuiet = undefined
      // The last answer may have announced the end of the connection, and after the client's end nothing can be put
      // back.
      if (!socket.writable || socket.readableEnded) {
        socket.destroySoon()
        return
      }
      serve()
      socket.resume()
    }
  }

  /**
   * Closes idle sockets now and each other socket when its answer is sent. Asks clients not to reuse their connections.
   */
  drain(): void {
    this.#isDraining = true
    for (const [socket, { answers, isUpgraded }] of this.#open) {
      if (answers.size === 0 && !isUpgraded) socket.destroy()
      for (const answer of answers) announceClose(answer)
    }
  }

  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy()
  }

  /**
   * Registers a request. Its socket counts as busy until the answer is sent.
   * @param work starts the request: at once, or later if too many earlier ones of the same connection are not answered
   * yet
   */
  begin({ socket }: IncomingMessage, response: ServerResponse, work: () => void): void {
    const connection = this.#open.get(socket)
    if (!connection) return
    const { answers, waiting } = connection
    answers.add(response)
    if (this.#isDraining) announceClose(response)
    response.on('close', () => {
      answers.delete(response)
      if (answers.size === 0) {
        if (this.#isDraining) socket.destroySoon()
        connection.onQuiet?.()
      } else if (waiting.length > 0) {
        // On its own turn of the event loop, so that other connections get theirs.
        setImmediate(goOn, socket, connection)
      }
    })
    if (answers.size <= MOST_AT_ONCE) {
      work()
      return
    }
    waiting.push(work)
    socket.pause()
  }
}

function goOn(socket: Socket, { answers, waiting, isUpgraded }: Connection): void {
  if (socket.destroyed || waiting.length === 0) return
  const free = MOST_AT_ONCE - (answers.size - waiting.length)
  for (const work of waiting.splice(0, free)) work()
  if (waiting.length === 0 && !isUpgraded) socket.resume()
}

function announceClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}
