import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'

/** Reads a feed of sessions that are named 1, 2, 3 ..., or leaves it in the kernel's hands, which no HTTP client can be told to. */
export class RawSubscriber {
  readonly #url: URL
  readonly #query: string
  readonly #first: number
  readonly #waiting: { readonly sessionId: number; readonly resolve: (atMs: number) => void }[] = []
  #socket: Socket
  #rest = ''
  #last: number
  #cursor: string | undefined
  /** The server has ended the stream, or the connection. */
  #ended: Promise<unknown> = Promise.resolve()
  /** Where another session came than the next one. */
  readonly gaps: string[] = []
  /** How often it had to come back with its last cursor. */
  resumptions = 0

  private constructor(url: string, query: string, last: number) {
    this.#url = new URL(url)
    this.#query = query
    this.#first = this.#last = last
    this.#socket = connect(Number(this.#url.port), this.#url.hostname)
  }

  /**
   * @param query names the event `told`, and takes `$after` where it may have to come back
   * @param last the session after which it comes in
   */
  static async open(url: string, query: string, last = 0): Promise<RawSubscriber> {
    const subscriber = new RawSubscriber(url, query, last)
    await subscriber.#subscribe()
    return subscriber
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

  /** Reads again, up to this session: what is still there for it, and where it was given up meanwhile, the rest by its last cursor. */
  async catchUp(sessionId: number): Promise<void> {
    const reached = this.reached(sessionId)
    this.#socket.resume()
    for (;;) {
      await Promise.race([reached, this.#ended])
      if (this.#last >= sessionId) return
      this.resumptions += 1
      this.#socket.destroy()
      this.#socket = connect(Number(this.#url.port), this.#url.hostname)
      await this.#subscribe()
    }
  }

  leave(): void {
    this.#socket.destroy()
  }

  async #subscribe(): Promise<void> {
    const socket = this.#socket
    let end = () => {}
    this.#ended = new Promise<void>((resolve) => (end = resolve))
    socket.on('error', () => undefined)
    socket.once('close', end)
    this.#rest = ''
    const body = JSON.stringify({ query: this.#query, variables: { after: this.#cursor } })
    socket.write(
      `POST ${this.#url.pathname} HTTP/1.1\r\nhost: ${this.#url.host}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    socket.setEncoding('latin1')
    const [head] = (await once(socket, 'data')) as [string]
    if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`no stream: ${head}`)
    socket.on('data', (text: string) => this.#read(text, end))
    this.#read(head, end)
  }

  #read(text: string, end: () => void): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const from = line.indexOf('"sessionId":"')
      if (from >= 0) this.#take(line, Number.parseInt(line.slice(from + 13, from + 23), 10))
      else if (line.startsWith('event: complete')) end()
    }
    while (this.#waiting[0] && this.#waiting[0].sessionId <= this.#last) {
      this.#waiting.shift()?.resolve(performance.now())
    }
  }

  #take(line: string, sessionId: number): void {
    if (sessionId !== this.#last + 1) this.gaps.push(`${sessionId} after ${this.#last}`)
    this.#last = sessionId
    const from = line.indexOf('"cursor":"')
    if (from >= 0) this.#cursor = line.slice(from + 10, line.indexOf('"', from + 10))
  }
}

/** Of a process, on Linux. */
export async function residentMiB(pid = 0): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
