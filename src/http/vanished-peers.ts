import { readFile } from 'node:fs/promises'
import { type Socket, SocketAddress } from 'node:net'
import { endianness } from 'node:os'

const LOOK_MS = 5_000
/**
 * Times in a row that the kernel has sent the same bytes again, unanswered. It doubles the pause each time, from 200 ms: the fifth is out
 * after at least 6 s of silence. With a ping each 12 s and a look each 5 s a reader that is gone is known within 24 s.
 */
const MOST_RETRANSMISSIONS = 5

const ESTABLISHED = '01'
/** As opposed to 04, which asks a reader that is there and takes nothing whether it takes something now. */
const RETRANSMIT_TIMER = '01'

/**
 * Finds readers of event streams that vanished without a word (power, network, a sleeping laptop), and destroys their sockets.
 * TCP keep-alive can't: it is silent while bytes are unacknowledged, as each ping to a reader that is gone is; the kernel would give
 * up after a quarter of an hour. Node has no TCP_USER_TIMEOUT, but Linux tells the same in /proc. Elsewhere this does nothing.
 */
export class VanishedPeers {
  readonly #watched = new Set<Socket>()
  #timer: NodeJS.Timeout | undefined
  #looking = false

  /** @returns what ends the watch */
  watch(socket: Socket): () => void {
    this.#watched.add(socket)
    this.#timer ??= setInterval(() => void this.#look().catch(() => undefined), LOOK_MS).unref()
    return () => {
      this.#watched.delete(socket)
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
    const silent = new Set(tables.flatMap(silentConnections))
    if (silent.size === 0) return
    for (const socket of this.#watched) if (silent.has(connectionOf(socket))) socket.destroy()
  }
}

function connectionOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress}|${localPort} ${remoteAddress}|${remotePort}`
}

/** The connections of a table of /proc/net (its lines: proc(5)) whose peer has been silent for too long. */
export function silentConnections(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const [, local, remote, state, , timer, retransmissions = ''] = line.trim().split(/\s+/)
    if (state !== ESTABLISHED || timer?.startsWith(`${RETRANSMIT_TIMER}:`) !== true) return []
    if (Number.parseInt(retransmissions, 16) < MOST_RETRANSMISSIONS) return []
    return [`${endpointOf(local)} ${endpointOf(remote)}`]
  })
}

/** "0100007F:0FA0" is 127.0.0.1, port 4000: words of 32 bits in the machine's byte order. */
function endpointOf(text = ''): string {
  const [words = '', port = ''] = text.split(':')
  const bytes = Buffer.from(words, 'hex')
  if (endianness() === 'LE') bytes.swap32()
  const isV4 = bytes.length === 4
  const address = isV4 ? bytes.join('.') : (bytes.toString('hex').match(/.{4}/g) ?? []).join(':')
  // Written as Node writes a socket's.
  const { address: canonical } = new SocketAddress({ address, family: isV4 ? 'ipv4' : 'ipv6' })
  return `${canonical}|${Number.parseInt(port, 16)}`
}
