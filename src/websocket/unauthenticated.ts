import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * The most bytes that a client may send before it is authenticated. A connection_init with the largest token has 3 KiB.
 */
const MOST_BYTES = 8 * 1024
/** The most unauthenticated sockets. Each takes about 20 KB. A client is authenticated within one round trip. */
const MOST_SOCKETS = 1_000
/** The time that a refused client has to read the reason. */
const FAREWELL_MS = 1_000
/** https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number */
const MESSAGE_TOO_BIG = 1009
const TRY_AGAIN_LATER = 1013

/** A socket whose client is not authenticated yet. */
export interface UnauthenticatedSocket {
  /** Whether the client is authenticated by now. */
  readonly hasPassed: boolean
  /** Called when the client is authenticated: the limits end. */
  pass(): void
  /** Closes the socket with a reason, and cuts it off if its client does not close it within a second. */
  refuse(code: number, reason: string): void
}

/**
 * All sockets of clients that are not authenticated yet. Until then a client may send 8 KiB in all, in one frame or in
 * many. If there are more than 1,000 such sockets, the oldest is closed. So a client with a key gets in within one
 * round trip, even while others open sockets without end.
 */
export class UnauthenticatedSockets {
  readonly #mostSockets: number
  /** The oldest first. */
  readonly #sockets = new Map<WebSocket, UnauthenticatedSocket>()

  constructor(mostSockets = MOST_SOCKETS) {
    this.#mostSockets = mostSockets
  }

  get size(): number {
    return this.#sockets.size
  }

  /** @param transport the stream that the socket reads from; nothing of it was read yet */
  enter(socket: WebSocket, transport: Duplex): UnauthenticatedSocket {
    let hasPassed = false
    let bytes = 0
    let cutting: NodeJS.Timeout | undefined
    const leave = () => {
      transport.removeListener('data', count)
      this.#sockets.delete(socket)
      clearTimeout(cutting)
    }
    const refuse = (code: number, reason: string) => {
      socket.close(code, reason)
      cutting ??= setTimeout(() => {
        socket.terminate()
      }, FAREWELL_MS)
    }
    const count = (chunk: Buffer) => {
      bytes += chunk.byteLength
      if (bytes <= MOST_BYTES) return
      refuse(MESSAGE_TOO_BIG, `Authenticate first, within ${MOST_BYTES} bytes`)
      // Pausing leaves the rest in the kernel.
      socket.pause()
    }
    // Counted before ws reads the bytes.
    transport.prependListener('data', count)
    socket.once('close', leave)
    const entered: UnauthenticatedSocket = {
      get hasPassed() {
        return hasPassed
      },
      pass() {
        hasPassed = true
        leave()
      },
      refuse,
    }
    this.#sockets.set(socket, entered)
    this.#makeRoom()
    return entered
  }

  #makeRoom(): void {
    const [oldest] = this.#sockets.keys()
    if (this.#sockets.size <= this.#mostSockets || !oldest) return
    oldest.close(TRY_AGAIN_LATER, 'Try again later')
    // Cut off now: its place is needed.
    oldest.terminate()
    this.#sockets.delete(oldest)
  }
}
