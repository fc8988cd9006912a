import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { RefusedRequest } from './refused-request.ts'

const BYTE_ORDER_MARK = '\ufeff'
export const bodyLimitBytes = 1024 * 1024

/**
 * Reads a JSON object from the request's body.
 * @throws RefusedRequest 415 if it is not application/json in UTF-8: a form of another site's page cannot send that
 * without a preflight, which protects against CSRF; 413 above 1 MiB; 400 if it is not an object
 */
export function readJsonObject(request: IncomingMessage): Promise<Record<string, unknown>> {
  assertJson(request)
  return readText(request).then(parseObject)
}

function parseObject(text: string): Record<string, unknown> {
  const body = parse(text)
  if (Array.isArray(body)) throw new RefusedRequest(400, 'Batches are not served: send one operation per request.')
  if (typeof body !== 'object' || body === null) {
    throw new RefusedRequest(400, 'The request body must be a JSON object: {"query": "...", "variables": {...}}.')
  }
  return body as Record<string, unknown>
}

function assertJson(request: IncomingMessage): void {
  const { 'content-type': contentType = '', 'content-encoding': encoding = 'identity' } = request.headers
  if (contentType !== 'application/json') assertJsonInUtf8(contentType)
  if (encoding !== 'identity') throw new RefusedRequest(415, 'Send the request body uncompressed.')
}

function assertJsonInUtf8(contentType: string): void {
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';')
  const charset = parameters.find((parameter) => parameter.trim().startsWith('charset='))?.split('=')[1]
  const isUtf8 = charset === undefined || ['utf-8', '"utf-8"', 'utf8'].includes(charset.trim())
  if (mediaType.trim() !== 'application/json' || !isUtf8) {
    throw new RefusedRequest(415, 'Send the request as Content-Type: application/json, in UTF-8.', {
      accept: 'application/json',
    })
  }
}

/** Reads the body to its end, even if it is too long: a client that is cut off while it sends never reads the 413. */
function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      bytes += chunk.byteLength
      if (bytes <= bodyLimitBytes) chunks.push(chunk)
      else chunks.length = 0
    }
    const onError = (cause: unknown) => {
      reject(new RefusedRequest(400, 'The request was cut off.', {}, { cause }))
    }
    const onEnd = () => {
      // The request is kept as long as its answer, which may be a stream. So it must not keep the body.
      request.off('data', onData).off('error', onError).off('end', onEnd).on('error', ignore)
      if (bytes <= bodyLimitBytes) {
        const text = textOf(chunks)
        if (text === undefined) reject(new RefusedRequest(400, 'The request body is not UTF-8.'))
        else resolve(text)
      } else reject(new RefusedRequest(413, `The request body is over the limit of ${bodyLimitBytes} bytes (1 MiB).`))
    }
    request.on('data', onData).on('end', onEnd).on('error', onError)
  })
}

/** Node emits an error when the client leaves before its answer. The exchange notices that itself. */
function ignore(): void {}

/**
 * Joins the chunks; nearly always there is one.
 * @returns undefined if the bytes are not UTF-8: replacing them could produce a text that means something else
 */
function textOf(chunks: readonly Buffer[]): string | undefined {
  const [first] = chunks
  const bytes = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    // Some programs begin UTF-8 with a byte order mark, which RFC 8259 lets a reader ignore.
    if (text.startsWith(BYTE_ORDER_MARK) && text[1] === '{') return parse(text.slice(1))
    throw new RefusedRequest(400, 'The request body is not valid JSON.', {}, { cause })
  }
}
