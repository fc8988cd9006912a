import { connect, type Socket } from 'node:net'

/** Reads an event stream, or leaves it in the kernel's hands, which no HTTP client can be told to. */
export class StallingSubscriber {
  readonly #socket: Socket
  #rest = ''
  /** What each event told, and each error that there was instead. */
  readonly told: string[] = []
  /** Whether the server said that there is nothing more to come. */
  isComplete = false
  /** Whether the connection is over. */
  isClosed = false

  private constructor(socket: Socket, pick: RegExp) {
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('error', () => undefined)
    socket.once('close', () => (this.isClosed = true))
    socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('event: complete')) this.isComplete = true
        if (!line.startsWith('data: {')) continue
        this.told.push(pick.exec(line)?.[1] ?? line.slice('data: '.length))
      }
    })
  }

  /**
   * Resolves once the server has begun the stream.
   * @param pick what of an event's line is told; the line itself where that isn't found
   */
  static async open(
    url: string,
    operation: { readonly query: string; readonly variables?: Record<string, unknown> },
    pick: RegExp,
  ): Promise<StallingSubscriber> {
    const { hostname, port, pathname, host } = new URL(url)
    const socket = connect(Number(port), hostname)
    const body = JSON.stringify(operation)
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    const subscriber = new StallingSubscriber(socket, pick)
    await new Promise((resolve) => socket.once('data', resolve))
    return subscriber
  }

  stall(): void {
    this.#socket.pause()
  }

  goOn(): void {
    this.#socket.resume()
  }

  leave(): void {
    this.#socket.destroy()
  }

  [Symbol.dispose](): void {
    this.leave()
  }
}

/**
 * A document whose events are long, some 10 KB, so that what the kernel buffers for a socket, some MB, is soon full: the cursor as often as
 * a document may have aliases, under long names.
 * @param field of the subscription, with its arguments
 */
export function longEvents(field: string, selection: string): string {
  const filling = Array.from({ length: 48 }, (_, place) => `c${place}${'_'.repeat(140)}: cursor`).join(' ')
  return `subscription ($after: String) { told: ${field} { ${selection} ${filling} } }`
}
