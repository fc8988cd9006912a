import type { ServerResponse } from 'node:http'

/** Answers with JSON. A HEAD request gets the headers only. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': bytes.byteLength,
    ...headers,
  })
  response.end(bytes)
}

/** A refusal in the shape of a GraphQL answer, so that clients have one shape to read. */
export function sendError(
  response: ServerResponse,
  status: number,
  error: { readonly message: string; readonly extensions: Readonly<Record<string, string>> },
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(response, status, { errors: [error] }, headers)
}

// yoga sends `connection: keep-alive`, which would keep a draining connection open, and the unregistered `content-encoding: none`.
const leftToNode = new Set(['connection', 'content-encoding', 'transfer-encoding'])

/** A reader that takes nothing for so long gets nothing more; it comes back with its last cursor. */
const stallLimitMs = 5 * 60_000

/**
 * Passes a fetch Response on, an event stream at the pace of its reader. When the client goes, the stream is cancelled; when it
 * takes nothing for stallLimitMs, its connection is cut. Resolves when nothing is left to send.
 */
export async function sendFetchResponse(
  response: ServerResponse,
  fetched: Response,
  limits = { stallLimitMs },
): Promise<void> {
  if (response.destroyed) return // its reader has gone, and with it the exchange's signal ended the stream
  response.statusCode = fetched.status
  fetched.headers.forEach((value, name) => {
    if (!leftToNode.has(name.toLowerCase())) response.setHeader(name, value)
  })
  if (fetched.headers.get('content-type')?.startsWith('text/event-stream') !== true || fetched.body === null) {
    const bytes = Buffer.from(await fetched.text())
    response.setHeader('content-length', bytes.byteLength)
    response.end(bytes)
    return
  }
  response.setHeader('x-accel-buffering', 'no')
  response.flushHeaders()
  await pump(fetched.body.getReader(), response, limits)
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  response: ServerResponse,
  limits: { readonly stallLimitMs: number },
): Promise<void> {
  const cancel = () => void reader.cancel().catch(() => undefined)
  response.once('close', cancel)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || response.destroyed) break
      if (!response.write(value)) await drainedOrClosed(response, limits)
    }
    response.removeListener('close', cancel)
    response.end()
  } catch (error) {
    // Headers are out: cutting the connection is the only way left to say that the stream is broken.
    response.destroy()
    throw error
  }
}

function drainedOrClosed(response: ServerResponse, limits: { readonly stallLimitMs: number }): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => response.destroy(), limits.stallLimitMs)
    const settle = () => {
      clearTimeout(stalled)
      response.removeListener('drain', settle)
      response.removeListener('close', settle)
      resolve()
    }
    response.once('drain', settle)
    response.once('close', settle)
  })
}
