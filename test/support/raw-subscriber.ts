import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'

/** Reads an event stream of sessions that are named 1, 2, 3 ..., or leaves it in the kernel's hands, which no HTTP client can be told to. */
export class RawSubscriber {
  readonly #socket: Socket
  readonly #waiting: { readonly sessionId: number; readonly resolve: (atMs: number) => void }[] = []
  readonly #first: number
  #rest = ''
  #last: number
  /** Where another session came than the next one. */
  readonly gaps: string[] = []

  private constructor(socket: Socket, last: number) {
    this.#socket = socket
    this.#first = this.#last = last
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#read(text))
  }

  /** @param last the session after which it comes in */
  static async open(url: string, query: string, last = 0): Promise<RawSubscriber> {
    const { hostname, port, pathname, host } = new URL(url)
    const socket = connect(Number(port), hostname)
    const body = JSON.stringify({ query })
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    const status = await new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))))
    if (!status.startsWith('HTTP/1.1 200 ')) throw new Error(`no stream: ${status}`)
    return new RawSubscriber(socket, last)
  }

  /** Sessions that it was told of. */
  get count(): number {
    return this.#last - this.#first
  }

  /** Resolves when it is told of this session. @returns when that was, by performance.now() */
  reached(sessionId: number): Promise<number> {
    return new Promise((resolve) => {
      if (this.#last >= sessionId) resolve(performance.now())
      else this.#waiting.push({ sessionId, resolve })
    })
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

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const from = line.indexOf('"sessionId":"')
      if (from < 0) continue
      const sessionId = Number.parseInt(line.slice(from + 13, from + 23), 10)
      if (sessionId !== this.#last + 1) this.gaps.push(`${sessionId} after ${this.#last}`)
      this.#last = sessionId
    }
    while (this.#waiting[0] && this.#waiting[0].sessionId <= this.#last)
      this.#waiting.shift()?.resolve(performance.now())
  }
}

/** Of a process, on Linux. */
export async function residentMiB(pid = 0): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
