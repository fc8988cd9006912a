/** How long a client may take to send a request. The answer's time is not limited here. */
export interface ReceiptTimes {
  /** For the headers of a request, milliseconds. */
  readonly headersMs: number
  /** For the whole request, milliseconds. */
  readonly requestMs: number
  /** For the connection_init of a WebSocket, and for the answers before an upgrade, milliseconds. */
  readonly initMs: number
  /** The time between two checks for late requests, milliseconds. A request may take longer by this much. */
  readonly lookEachMs: number
}

export const RECEIPT_TIMES: ReceiptTimes = { headersMs: 15_000, requestMs: 30_000, initMs: 10_000, lookEachMs: 5_000 }
