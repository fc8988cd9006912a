import type { WebSocket } from 'ws'

/** How often a client is pinged, and how long it may take to answer. */
const PING_MS = 12_000
/** For the farewell to leave for the kernel, or to be answered: what vanished is gone within 28 s. */
const FAREWELL_MS = 4_000
/**
 * What may wait to be sent before nothing more is read from a client: an event of each operation, and as many refusals and pongs.
 * Answers to pings are as long as the client wants, up to 1 MiB: hence bytes as well.
 */
const MOST_UNSENT = 200
const MOST_UNSENT_BYTES = 8 * 1024 * 1024

/**
 * One client's WebSocket, as graphql-ws wants it. What it is sent waits until the client takes it, nothing is read from it while
 * it takes nothing, and a client that doesn't answer a ping is cut off.
 */
export class WebSocketConnection {
  readonly #socket: WebSocket
  readonly #handling = new Set<Promise<void>>()
  #unsent = 0
  #isDraining = false
  readonly #countStreaming: () => number
  readonly #onSlow: () => void
  /** Whether a message left since the last ping. */
  #hasSent = false
  readonly #closed: Promise<void>

  /**
   * @param countStreaming of the messages being handled, those that wait for nothing but events
   * @param onSlow called where the client doesn't answer a ping, to close with the reason; soon after it is cut off
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
   * Resolves once the message is the network's, or the socket closed: who awaits it goes at the client's pace. Not at once where the
   * socket is about to close: a stream that always has a next event would keep the process from ever seeing it closed.
   */
  send(text: string): Promise<void> {
    if (!this.#isOpen) return this.#closed
    this.#unsent += 1
    return new Promise((resolve) => {
      this.#socket.send(text, () => {
        this.#unsent -= 1
        this.#hasSent = true
        if (this.#socket.isPaused && !this.#isFull) this.#socket.resume()
        resolve()
      })
      if (this.#isFull) this.#socket.pause()
    })
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  /** @param handle resolves when nothing is left to do for the message: of a subscription, when it is over */
  onMessage(handle: (data: Buffer) => Promise<void>): void {
    this.#socket.on('message', (data: Buffer) => {
      // Not executed, so that a client may send it again elsewhere.
      if (!this.#isOpen || this.#isDraining) return
      const handled = handle(data).finally(() => {
        this.#handling.delete(handled)
        if (this.#isDraining) this.#closeWhenQuiet()
      })
      this.#handling.add(handled)
    })
  }

  /**
   * Takes no more operations, and closes once queries and mutations are answered. Subscriptions are not completed first: to a client
   * that would mean that there is nothing more to come, and it would not subscribe again elsewhere.
   */
  drain(): void {
    this.#isDraining = true
    this.#closeWhenQuiet()
  }

  /** One of the operations is an event stream from now on. */
  streams(): void {
    if (this.#isDraining) this.#closeWhenQuiet()
  }

  #closeWhenQuiet(): void {
    if (this.#handling.size === this.#countStreaming()) this.#socket.close(1001, 'Going away')
  }

  get #isFull(): boolean {
    return this.#unsent > MOST_UNSENT || this.#socket.bufferedAmount > MOST_UNSENT_BYTES
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  #keepAlive(): void {
    const socket = this.#socket
    let answered = true
    let wasFull = false
    let cutting: NodeJS.Timeout | undefined
    const pinging = setInterval(() => {
      // Behind what the kernel has for a slow reader a ping is long on its way: one who takes messages out of a full kernel is there.
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
