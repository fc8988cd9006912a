import type { IncomingMessage, ServerResponse } from 'node:http'
import { compress, LARGEST_PLAIN_BYTES } from './compression.ts'
import { type AcceptedCodings, acceptedCodings } from './content-coding.ts'
import { addVary, entityTag, hasTag } from './revalidation.ts'
import { sendBytes, sendText } from './send.ts'

export interface AnswerText {
  readonly status: number
  readonly contentType: string
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

const PLAIN: AcceptedCodings = { smaller: undefined, gzip: false, plain: true }

/** The codings in which this request can be answered. @param compresses whether this server compresses at all */
export function codingsOf({ headers }: IncomingMessage, compresses: boolean): AcceptedCodings {
  return compresses ? acceptedCodings(headers['accept-encoding']) : PLAIN
}

/**
 * Sends the result of an operation. A GET or HEAD gets an entity tag, and 304 if the client has the same answer
 * already. A large answer is compressed if the client accepts that.
 * @param compresses whether this server compresses at all
 * @returns a promise only if the answer is compressed
 */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, text, headers }: AnswerText,
  compresses: boolean,
): Promise<void> | undefined {
  const isPost = request.method === 'POST'
  if (!isPost && status === 200) {
    const tag = entityTag(contentType, text)
    response.setHeader('etag', tag)
    if (hasTag(request.headers['if-none-match'], tag)) {
      response.writeHead(304, headers)
      response.end()
      return undefined
    }
  }
  const { smaller, plain } = codingsOf(request, compresses)
  const isLarge = compresses && Buffer.byteLength(text) > LARGEST_PLAIN_BYTES
  // markRevalidated has set it for each GET.
  if (isPost && isLarge) addVary(response, 'accept-encoding')
  if (smaller === undefined || (plain && !isLarge)) {
    sendText(response, status, contentType, text, headers)
    return undefined
  }
  return compress(text, smaller).then((bytes) => {
    sendBytes(response, status, contentType, bytes, { ...headers, 'content-encoding': smaller })
  })
}
