import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { StartupError } from '../../errors/startup-error.ts'

export interface MetricsServerOptions {
  readonly host: string
  /** 0: the system chooses a free one. */
  readonly port: number
  /** Whether a request with this Host header is served. Default: always. */
  readonly allowsHost?: (host: string | undefined, port: number) => boolean
  /** Makes the answer, which has the media type `contentType`. */
  readonly render: () => Promise<string>
  readonly contentType: string
  readonly log: Logger
}

export interface MetricsServer {
  /** http://host:port/metrics */
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves GET /metrics and nothing else, on a port of its own. So the monitoring needs no key, and the port can be
 * closed to everybody else.
 * @throws StartupError if the server cannot listen on the address
 */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, port, allowsHost = () => true, render, contentType, log } = options
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch((error: unknown) => {
      log.error({ err: error }, 'the metrics could not be collected')
      if (!response.headersSent) refuse(response, 500, 'The metrics could not be collected; the log says why.')
    })
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    if (!allowsHost(headers.host, request.socket.localPort ?? 0)) {
      refuse(response, 421, 'Send localhost, 127.0.0.1 or [::1] with the port as Host.')
    } else if (url.split('?', 1)[0] !== '/metrics') {
      refuse(response, 404, 'Nothing but /metrics is served here.')
    } else if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      refuse(response, 405, 'Ask by GET or HEAD.')
    } else {
      const text = await render()
      response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) })
      response.end(text)
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = `cannot serve metrics on METRICS_HOST=${host} METRICS_PORT=${port} (${cause.code ?? cause.message})`
      reject(new StartupError(`${why}: set them to a free address of this machine, or unset METRICS_PORT.`, { cause }))
    })
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
  const { port: listened } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${listened}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${message}\n`)
}
