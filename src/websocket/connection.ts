import type { WebSocket } from 'ws'

/** The time between two pings, within which the client must answer. */
const PING_MS = 12_000
/** The time for the close frame to leave for the kernel or to be answered. A vanished client is gone within 28 s. */
const FAREWELL_MS = 4_000
/**
 * The most unsent messages before the client is no longer read: one event for each operation, and as many refusals and
 * pongs. A pong is as long as the client's ping, up to 1 MiB, so the bytes are limited too.
 */
const MOST_UNSENT = 200
const MOST_UNSENT_BYTES = 8 * 1024 * 1024

/**
 * One client's WebSocket for graphql-ws. Messages to it wait until the client takes them. While too many wait, nothing
 * is read from the client. A client that does not answer a ping is cut off.
 */
export class WebSocketConnection {
  readonly #socket: WebSocket
  readonly #handling = new Set<Promise<void>>()
  #unsent = 0
  #isDraining = false
  /** Whether a message waits for its turn. */
  #isHeld = false
  readonly #countStreaming: () => number
  readonly #onSlow: () => void
  /** Whether a message was sent since the last ping. */
  #hasSent = false
  readonly #closed: Promise<void>

  /**
   * @param countStreaming how many of the messages in progress only wait for events
   * @param onSlow called if the client does not answer a ping, to close with the reason; soon after that it is cut off
   */
  constructor(
    socket: WebSocket,
    { countStreaming, onSlow }: { readonly countStreaming: () => number; readonly onSlow: () => void },
  ) {
    this.#socket = socket
    this.#countStreaming = countStreaming
    this.#onSlow = onSlow
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve()
      })
    })
    this.#keepAlive()
  }

  get protocol(): string {
    return this.#socket.protocol
  }

  /**
   * Sends a message. Resolves when the kernel has taken it or the socket is closed, so that the sender goes at the
   * client's pace. If the socket is closing, it does not resolve at once: a stream that always has a next event would
   * keep the process from ever noticing the close.
   */
  send(text: string): Promise<void> {
    if (!this.isOpen) return this.#closed
    this.#unsent += 1
    return new Promise((resolve) => {
      this.#socket.send(text, () => {
        this.#unsent -= 1
        this.#hasSent = true
        this.#resume()
        resolve()
      })
      if (this.#isFull) this.#socket.pause()
    })
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  /** Whether to read nothing from the client, because one of its messages waits for its turn. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (isHeld) this.#socket.pause()
    else this.#resume()
  }

  /** @param handle resolves when all work for the message is done; for a subscription, when it is over */
  onMessage(handle: (data: Buffer) => Promise<void>): void {
    this.#socket.on('message', (data: Buffer) => {
      // Not executed, so the client can safely send it again to another server.
      if (!this.isOpen || this.#isDraining) return
      const handled = handle(data).finally(() => {
        this.#handling.delete(handled)
        if (this.#isDraining) this.#closeWhenQuiet()
      })
      this.#handling.add(handled)
    })
  }

  /**
   * Accepts no more operations, and closes when queries and mutations are answered. Subscriptions are not completed
   * first: a client would understand that no more events come, and would not subscribe again elsewhere.
   */
  drain(): void {
    this.#isDraining = true
    this.#closeWhenQuiet()
  }

  /** Tells the connection that one of the operations has become an event stream. */
  streams(): void {
    if (this.#isDraining) this.#closeWhenQuiet()
  }

  #closeWhenQuiet(): void {
    if (this.#handling.size === this.#countStreaming()) this.#socket.close(1001, 'Going away')
  }

  #resume(): void {
    if (this.#socket.isPaused && !this.#isHeld && !this.#isFull) this.#socket.resume()
  }

  get #isFull(): boolean {
    return this.#unsent > MOST_UNSENT || this.#socket.bufferedAmount > MOST_UNSENT_BYTES
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  #keepAlive(): void {
    const socket = this.#socket
    let answered = true
    let wasFull = false
    let cutting: NodeJS.Timeout | undefined
    const pinging = setInterval(() => {
      // A ping takes long behind the bytes that the kernel holds for a slow reader. If the kernel was full and messages
      // still left, the client reads.
      if (answered || (wasFull && this.#hasSent)) {
        if (answered) socket.ping()
        answered = false
        wasFull = socket.bufferedAmount > 0
        this.#hasSent = false
        return
      }
      clearInterval(pinging)
      this.#onSlow()
      cutting = setTimeout(() => {
        socket.terminate()
      }, FAREWELL_MS)
    }, PING_MS)
    socket.on('pong', () => (answered = true))
    socket.once('close', () => {
      clearInterval(pinging)
      clearTimeout(cutting)
    })
  }
}
