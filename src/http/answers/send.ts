import type { ServerResponse } from 'node:http'

/** Answers with JSON. A HEAD request gets the headers only. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendText(response, status, 'application/json; charset=utf-8', JSON.stringify(body), headers)
}

export function sendText(
  response: ServerResponse,
  status: number,
  contentType: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text), ...headers })
  endWith(response, text)
}

/** Answers with what is bytes already. A HEAD request gets the headers only. */
export function sendBytes(
  response: ServerResponse,
  status: number,
  contentType: string,
  bytes: Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.byteLength, ...headers })
  response.end(bytes)
}

/**
 * Head and body as one text: end(text) sends them as a list of two, the second empty, for which Node has a slower way. Uncorked
 * before it ends, since what still waits then makes it a list again.
 */
function endWith(response: ServerResponse, text: string): void {
  const { socket } = response
  socket?.cork()
  response.write(text)
  socket?.uncork()
  response.end()
}

/** A refusal in the shape of a GraphQL answer, so that clients have one shape to read. */
export function sendError(
  response: ServerResponse,
  status: number,
  error: { readonly message: string; readonly extensions: Readonly<Record<string, string | number | undefined>> },
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(response, status, { errors: [error] }, headers)
}
