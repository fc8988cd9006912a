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

/** Answers with a text. A HEAD request gets the headers only. */
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

/** Answers with bytes. A HEAD request gets the headers only. */
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
 * Sends head and body as one text. response.end(text) would send a list of two texts, the second one empty, which Node
 * writes more slowly. Uncorked before the end: text that still waits at the end would make it a list again.
 */
function endWith(response: ServerResponse, text: string): void {
  const { socket } = response
  socket?.cork()
  response.write(text)
  socket?.uncork()
  response.end()
}

/** Answers with one error in the form of a GraphQL result, so that clients read only one form. */
export function sendError(
  response: ServerResponse,
  status: number,
  error: { readonly message: string; readonly extensions: Readonly<Record<string, string | number | undefined>> },
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(response, status, { errors: [error] }, headers)
}
