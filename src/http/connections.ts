import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Requests of one connection that are worked on at once. What a client pipelines beyond that waits for answers to leave, and nothing more is
 * read from its connection meanwhile: up to 64 KiB, what one read brings, have been parsed by then.
 */
const MOST_AT_ONCE = 100

interface Connection {
  /** Those that are not sent yet, of requests that wait too. */
  readonly answers: Set<ServerResponse>
  /** Begins requests that wait, the oldest first. */
  readonly waiting: (() => void)[]
  /** Whether something else than requests is on it, or what it is to carry waits for the last answer. */
  isUpgraded: boolean
  /** Called once the last answer is out. */
  onQuiet: (() => void) | undefined
}

/**
 * Which sockets carry a request right now. server.closeIdleConnections() knows less: it leaves a socket open that has not sent
 * its first byte yet (browsers open some in advance), and one whose answer began before the shutdown and ends after it.
 */
export class Connections {
  readonly #open = new Map<Socket, Connection>()
  readonly #upgradePatienceMs: number
  #isDraining = false

  /** @param upgradePatienceMs for this long an upgrade waits for the answers before it; then its connection is closed */
  constructor(server: Server, { upgradePatienceMs }: { readonly upgradePatienceMs: number }) {
    this.#upgradePatienceMs = upgradePatienceMs
    server.on('connection', (socket: Socket) => {
      const known = this.#open.get(socket)
      if (known) {
        // Its upgrade was ignored: see ignored-upgrade.ts.
        known.isUpgraded = false
        return
      }
      const connection: Connection = { answers: new Set(), waiting: [], isUpgraded: false, onQuiet: undefined }
      this.#open.set(socket, connection)
      // Node resumes it at the end of each request.
      socket.on('resume', () => {
        if (connection.waiting.length > 0 || connection.onQuiet) socket.pause()
      })
      // Each request that is under way listens, and a client may send many at once: of more than ten Node would warn, on stderr.
      socket.setMaxListeners(0)
      socket.once('close', () => this.#open.delete(socket))
    })
  }

  /** Sockets that are open, those that carry a WebSocket too. */
  get size(): number {
    return this.#open.size
  }

  /**
   * From now on the socket carries no more requests, unless 'connection' is emitted for it again; who serves what it carries closes it,
   * or destroyAll().
   * @param serve called once the answers to what was asked before have left; never where they take too long: then the socket is closed
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
      // The last answer may have said that the connection ends with it, and after a client's end nothing can be put back.
      if (!socket.writable || socket.readableEnded) {
        socket.destroySoon()
        return
      }
      serve()
      socket.resume()
    }
  }

  /** Closes what is idle now, and each other socket when its answer is out; asks clients not to reuse it. */
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
   * A request has come: its socket is at work until the answer is out.
   * @param work begins it: at once, unless too many that came before on the same connection are not answered yet
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
        // In a turn of its own, so that other connections get theirs.
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
