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

/** What may be done to the bytes of an answer to this request. @param compresses whether anything is compressed here */
export function codingsOf({ headers }: IncomingMessage, compresses: boolean): AcceptedCodings {
  return compresses ? acceptedCodings(headers['accept-encoding']) : PLAIN
}

/**
 * Sends what an operation came to. Of a GET or HEAD with its tag; 304 where the client has the same answer. A large answer is
 * compressed where its client takes that.
 * @returns a promise only where it takes a while
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
  // A GET has it already, whatever its size.
  if (isPost && isLarge) addVary(response, 'accept-encoding')
  if (smaller === undefined || (plain && !isLarge)) {
    sendText(response, status, contentType, text, headers)
    return undefined
  }
  return compress(text, smaller).then((bytes) => {
    sendBytes(response, status, contentType, bytes, { ...headers, 'content-encoding': smaller })
  })
}
