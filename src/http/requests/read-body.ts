import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { RefusedRequest } from './refused-request.ts'

const BYTE_ORDER_MARK = '\ufeff'
export const bodyLimitBytes = 1024 * 1024
/** Each takes some microseconds, also one of a single byte. Over a network 1 MiB comes in about a thousand. */
export const MOST_PIECES = 10_000
const NOTHING: Buffer = Buffer.alloc(0)

/**
 * Reads the request's body.
 * @throws RefusedRequest 415 if it is not application/json in UTF-8: a form of another site's page cannot send that
 * without a preflight, which protects against CSRF; 413 above 1 MiB; 400 if it is cut off, or comes in more than
 * 10,000 pieces
 */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  assertJson(request)
  return receive(request)
}

/** @throws RefusedRequest 400 if the body is no JSON object in UTF-8 */
export function parseJsonObject(bytes: Buffer): Record<string, unknown> {
  // What is no text must not become one that somebody else has.
  if (!isUtf8(bytes)) throw new RefusedRequest(400, 'The request body is not UTF-8.')
  const body = parse(bytes.toString('utf8'))
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
function receive(request: IncomingMessage): Promise<Buffer> {
  let received: Buffer = NOTHING
  let bytes = 0
  let pieces = 0
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      pieces += 1
      if (pieces > MOST_PIECES) {
        // The rest is not read.
        request.off('data', onData).off('end', onEnd).pause()
        reject(tooManyPieces())
        return
      }
      received = bytes + chunk.byteLength > bodyLimitBytes ? NOTHING : append(received, bytes, chunk)
      bytes += chunk.byteLength
    }
    const onError = (cause: unknown) => {
      reject(new RefusedRequest(400, 'The request was cut off.', {}, { cause }))
    }
    const onEnd = () => {
      // The request is kept as long as its answer, which may be a stream. So it must not keep the body.
      request.off('data', onData).off('error', onError).off('end', onEnd).on('error', ignore)
      if (bytes <= bodyLimitBytes) resolve(received.subarray(0, bytes))
      else reject(new RefusedRequest(413, `The request body is over the limit of ${bodyLimitBytes} bytes (1 MiB).`))
    }
    request.on('data', onData).on('end', onEnd).on('error', onError)
  })
}

function tooManyPieces(): RefusedRequest {
  const message = `The request body came in more than ${MOST_PIECES} pieces: send fewer and larger ones.`
  return new RefusedRequest(400, message, { connection: 'close' })
}

/**
 * Nearly always there is one chunk, which is taken as it is. Others are copied: a list of them would take 200 bytes of
 * heap for each, also for those of one byte.
 * @param bytes how many are in `received`; behind them there may be room
 * @returns what holds all of them
 */
function append(received: Buffer, bytes: number, chunk: Buffer): Buffer {
  if (bytes === 0) return chunk
  const needed = bytes + chunk.byteLength
  let room = received
  if (needed > room.byteLength) {
    room = Buffer.allocUnsafeSlow(Math.max(needed, 2 * bytes))
    received.copy(room, 0, 0, bytes)
  }
  chunk.copy(room, bytes)
  return room
}

/** Node emits an error when the client leaves before its answer. The exchange notices that itself. */
function ignore(): void {}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    // Some programs begin UTF-8 with a byte order mark, which RFC 8259 lets a reader ignore.
    if (text.startsWith(BYTE_ORDER_MARK) && text[1] === '{') return parse(text.slice(1))
    throw new RefusedRequest(400, 'The request body is not valid JSON.', {}, { cause })
  }
}
