import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** A connection_init with a token of the largest kind has 3 KiB. */
const MOST_BYTES = 8 * 1024
/** Each holds about 20 KB. A client needs its place for one round trip. */
const MOST_SOCKETS = 1_000
/** So long a client that was refused may take to read why. */
const FAREWELL_MS = 1_000
/** https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number */
const MESSAGE_TOO_BIG = 1009
const TRY_AGAIN_LATER = 1013

/** A socket whose client has not shown yet who it is. */
export interface UnauthenticatedSocket {
  /** Whether it has by now. */
  readonly hasPassed: boolean
  /** Its client has: none of this concerns it any longer. */
  pass(): void
  /** Refuses it: closes it, and cuts it off where its client does not close it too within a second. */
  refuse(code: number, reason: string): void
}

/**
 * All sockets of clients that have not shown yet who they are. Until then a client may send 8 KiB in all, with one frame or with many.
 * Of more than 1,000 such sockets the oldest is closed: who has a key gets through in one round trip, also while others open sockets
 * without end.
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

  /** @param transport what the socket reads from, of which nothing was read yet */
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
      refuse(MESSAGE_TOO_BIG, `Show who you are first, within ${MOST_BYTES} bytes`)
      // The rest stays in the kernel.
      socket.pause()
    }
    // Before ws reads it.
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
    // Its place is needed now.
    oldest.terminate()
    this.#sockets.delete(oldest)
  }
}
