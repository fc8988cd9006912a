import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

const upgradeHeaders = new Set(['upgrade', 'http2-settings'])

/**
 * Serves a request as if it had not asked for an upgrade, which a server may ignore. Java's HttpClient offers `h2c`
 * with each first request. If there is an 'upgrade' listener, Node passes such requests to it with the body unread. So
 * the request is put back without its upgrade headers and read again.
 */
export function ignoreUpgrade(server: Server, request: IncomingMessage, socket: Socket, rest: Buffer): void {
  const { method = '', url = '', httpVersion, rawHeaders } = request
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]]
    if (upgradeHeaders.has(name.toLowerCase())) continue
    head += `${name}: ${name.toLowerCase() === 'connection' ? withoutUpgrade(value) : value}\r\n`
  }
  socket.unshift(rest)
  socket.unshift(Buffer.from(`${head}\r\n`, 'latin1'))
  server.emit('connection', socket)
}

function withoutUpgrade(connection: string): string {
  const kept = connection.split(',').filter((option) => !upgradeHeaders.has(option.trim().toLowerCase()))
  return kept.join(',').trim() || 'keep-alive'
}
