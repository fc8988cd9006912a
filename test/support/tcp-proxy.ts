import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type Direction = 'toServer' | 'toClient'

/** A link between clients and a server on this machine, which can be made slow, silent, or cut. Knows nothing of what it carries. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Open now. */
  readonly connections: number
  /** Whatever arrives from now on in this direction arrives so much later, in order. */
  delay(direction: Direction, milliseconds: number): void
  /** Nothing arrives any more in this direction, not even the end of a connection; connections stay open, and new ones are taken. */
  stall(direction: Direction): void
  /** What was stalled arrives. */
  flow(direction: Direction): void
  /** Resets every connection on both sides. New ones get through. */
  cut(): void
  /**
   * Once: the first connection whose client sends what `isRequest` knows gets it through to the server, and nothing of the answer back. When
   * `isAnswer` knows all that the server has sent since, the connection is reset.
   * @returns the answer that nobody got; rejects where the connection ended before it was whole
   */
  loseAnswer(isRequest: (sent: Buffer) => boolean, isAnswer: (held: Buffer) => boolean): Promise<Buffer>
}

/** How one direction fares, in all connections alike. */
interface Way {
  delayMs: number
  stalled: Promise<void> | undefined
  flow: () => void
}

interface Loss {
  readonly isRequest: (sent: Buffer) => boolean
  readonly isAnswer: (held: Buffer) => boolean
  readonly resolve: (answer: Buffer) => void
  readonly reject: (reason: Error) => void
}

/** What one direction of a connection may have under way before its sender has to wait, bytes: beyond it the kernel's buffers fill. */
const UNDER_WAY = 65_536

/** @param target the server's port on 127.0.0.1; a function is asked for each new connection */
export async function startTcpProxy(target: number | (() => number)): Promise<TcpProxy> {
  const links = new Set<Link>()
  const ways = { toServer: openWay(), toClient: openWay() }
  const losses: Loss[] = []
  const portOf = typeof target === 'number' ? () => target : target
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const link = new Link(client, connect({ port: portOf(), host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
    links.add(link)
    void link.closed.then(() => links.delete(link))
    link.carry(ways, losses)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const link of links) link.reset()
  }
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return links.size
    },
    delay(direction, milliseconds) {
      ways[direction].delayMs = milliseconds
    },
    stall(direction) {
      const way = ways[direction]
      way.stalled ??= new Promise((resolve) => (way.flow = resolve))
    },
    flow(direction) {
      ways[direction].stalled = undefined
      ways[direction].flow()
    },
    cut,
    loseAnswer: (isRequest, isAnswer) =>
      new Promise((resolve, reject) => losses.push({ isRequest, isAnswer, resolve, reject })),
    async [Symbol.asyncDispose]() {
      // First: what would be accepted after the cut would keep it open.
      const closed = once(server.close(), 'close')
      cut()
      await closed
    },
  }
}

function openWay(): Way {
  return { delayMs: 0, stalled: undefined, flow: () => undefined }
}

class Link {
  readonly closed: Promise<unknown>
  readonly #client: Socket
  readonly #server: Socket
  readonly #ended = new AbortController()
  /** The answer that is to be lost, and what of it has come. */
  #loss: { readonly wanted: Loss; held: Buffer } | undefined

  constructor(client: Socket, server: Socket) {
    this.#client = client
    this.#server = server
    for (const socket of [client, server]) socket.on('error', () => undefined)
    this.closed = Promise.all([client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  }

  reset(): void {
    this.#ended.abort()
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
    this.#loss?.wanted.reject(new Error(`cut before the answer was whole: ${String(this.#loss.held)}`))
    this.#loss = undefined
  }

  carry(ways: Record<Direction, Way>, losses: Loss[]): void {
    this.#pass(this.#client, this.#server, ways.toServer, (chunk) => {
      const place = this.#loss ? -1 : losses.findIndex(({ isRequest }) => isRequest(chunk))
      const [wanted] = place < 0 ? [] : losses.splice(place, 1)
      if (wanted) this.#loss = { wanted, held: Buffer.alloc(0) }
      return true
    })
    this.#pass(this.#server, this.#client, ways.toClient, (chunk) => {
      if (!this.#loss) return true
      this.#loss.held = Buffer.concat([this.#loss.held, chunk])
      const { wanted, held } = this.#loss
      if (!wanted.isAnswer(held)) return false
      this.#loss = undefined
      this.reset()
      wanted.resolve(held)
      return false
    })
  }

  /** Carries one direction. @param mayPass told of each chunk when it comes; false: it goes no further */
  #pass(from: Socket, to: Socket, way: Way, mayPass: (chunk: Buffer) => boolean): void {
    let underWay = 0
    let last: Promise<unknown> = Promise.resolve()
    const { signal } = this.#ended
    // In order, and each as late as the way was slow when it came.
    const after = (arrives: Promise<unknown> | undefined, act: () => unknown) => {
      last = last.then(async () => {
        await arrives
        while (way.stalled && !signal.aborted) await Promise.race([way.stalled, aborted(signal)])
        if (!signal.aborted) await act()
      })
    }
    const arrival = () =>
      way.delayMs > 0 ? sleep(way.delayMs, undefined, { signal }).catch(() => undefined) : undefined
    from.on('data', (chunk) => {
      if (!mayPass(chunk)) return
      if ((underWay += chunk.length) > UNDER_WAY) from.pause()
      after(arrival(), async () => {
        await new Promise((resolve) => to.write(chunk, resolve))
        underWay -= chunk.length
        if (underWay <= UNDER_WAY) from.resume()
      })
    })
    from.once('end', () => after(arrival(), () => to.end()))
    from.once('close', (failed) => after(undefined, () => (failed ? this.reset() : to.end())))
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
