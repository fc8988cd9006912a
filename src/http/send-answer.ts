import type { IncomingMessage, ServerResponse } from 'node:http'
import { entityTag, hasTag } from './revalidation.ts'
import { sendText } from './send.ts'

export interface AnswerText {
  readonly status: number
  readonly contentType: string
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

/** Sends what an operation came to. Of a GET or HEAD with its tag; 304 where the client has the same answer. */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, text, headers }: AnswerText,
): void {
  if (request.method !== 'POST' && status === 200) {
    const tag = entityTag(contentType, text)
    response.setHeader('etag', tag)
    if (hasTag(request.headers['if-none-match'], tag)) {
      response.writeHead(304, headers)
      response.end()
      return
    }
  }
  sendText(response, status, contentType, text, headers)
}
