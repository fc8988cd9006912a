import { readFile } from 'node:fs/promises'
import { type Socket, SocketAddress } from 'node:net'
import { endianness } from 'node:os'

const LOOK_MS = 4_000
/**
 * A peer is silent if this many looks in a row see the same bytes waiting in the kernel: 8 to 12 s. With a ping each 12
 * s, a reader that has gone is noticed within 28 s. In 8 s the kernel sends five times to a peer that does not answer.
 */
const SILENT_LOOKS = 2

const ESTABLISHED = '01'

interface Watched {
  readonly onSilent: () => void
  /** Bytes that the peer had taken at the last look; undefined: no bytes waited for it. */
  taken: number | undefined
  /** The number of looks since then at which it had taken no more. */
  looks: number
}

/**
 * Finds readers of event streams that take nothing of what the kernel holds for them. They have vanished without
 * closing (power, network, a sleeping laptop), or are there and read nothing.
 *
 * TCP keep-alive does not find them: it sends nothing while bytes are unacknowledged, and each ping to a vanished
 * reader stays unacknowledged. The kernel would give up after a quarter of an hour. Node has no TCP_USER_TIMEOUT, but
 * Linux shows the same in /proc. On other systems this class does nothing.
 */
export class VanishedPeers {
  readonly #watched = new Map<Socket, Watched>()
  #timer: NodeJS.Timeout | undefined
  #looking = false

  /** @param onSilent called at most once @returns a function that ends the watch */
  watch(socket: Socket, onSilent: () => void): () => void {
    const watched: Watched = { onSilent, taken: undefined, looks: 0 }
    this.#watched.set(socket, watched)
    this.#timer ??= setInterval(() => void this.#look().catch(() => undefined), LOOK_MS).unref()
    return () => {
      // Another stream of the same connection may be watched by now.
      if (this.#watched.get(socket) === watched) this.#watched.delete(socket)
      if (this.#watched.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    const tables = await Promise.all(
      ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'latin1').catch(() => '')),
    )
    this.#looking = false
    const waiting = new Map(tables.flatMap(unacknowledged))
    for (const [socket, watched] of this.#watched) {
      // Bytes that still wait in this process are event-stream.ts's concern.
      const bytes = socket.writableLength > 0 ? undefined : waiting.get(connectionOf(socket))
      const taken = bytes === undefined ? undefined : socket.bytesWritten - bytes
      watched.looks = taken !== undefined && taken === watched.taken ? watched.looks + 1 : 0
      watched.taken = taken
      if (watched.looks < SILENT_LOOKS) continue
      this.#watched.delete(socket)
      watched.onSilent()
    }
  }
}

function connectionOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress}|${localPort} ${remoteAddress}|${remotePort}`
}

/**
 * Lists the connections of a table of /proc/net that have unacknowledged bytes, with their number. The format of the
 * lines is in proc(5).
 */
export function unacknowledged(table: string): [connection: string, bytes: number][] {
  return table.split('\n').flatMap((line): [string, number][] => {
    const [, local, remote, state, queues = ''] = line.trim().split(/\s+/)
    const bytes = Number.parseInt(queues, 16)
    if (state !== ESTABLISHED || !(bytes > 0)) return []
    return [[`${endpointOf(local)} ${endpointOf(remote)}`, bytes]]
  })
}

/** "0100007F:0FA0" is 127.0.0.1, port 4000: words of 32 bits in the machine's byte order. */
function endpointOf(text = ''): string {
  const [words = '', port = ''] = text.split(':')
  const bytes = Buffer.from(words, 'hex')
  if (endianness() === 'LE') bytes.swap32()
  const isV4 = bytes.length === 4
  const address = isV4 ? bytes.join('.') : (bytes.toString('hex').match(/.{4}/g) ?? []).join(':')
  // In the form of Node's socket addresses.
  const { address: canonical } = new SocketAddress({ address, family: isV4 ? 'ipv4' : 'ipv6' })
  return `${canonical}|${Number.parseInt(port, 16)}`
}
