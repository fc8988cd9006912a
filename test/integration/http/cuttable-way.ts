import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a server that can be cut, and led to another server. To the server it looks as if it were asked for by its own address. */
export interface CuttableWay extends AsyncDisposable {
  /** Of GraphQL, by this way. */
  readonly url: string
  /** Cuts every connection, and each new one until it leads somewhere again. */
  cut(): void
  leadTo(url: string): void
}

export async function cuttableWay(url: string): Promise<CuttableWay> {
  let target: URL | undefined = new URL(url)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    if (!target) {
      near.destroy()
      return
    }
    const { port, hostname } = target
    const far = connect(Number(port), hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    far.pipe(near)
    near.on('data', (chunk) =>
      far.write(chunk.toString('latin1').replace(/^(host: [^:]+:)\d+/im, `$1${port}`), 'latin1'),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    target = undefined
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    cut,
    leadTo(next) {
      target = new URL(next)
    },
    async [Symbol.asyncDispose]() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
