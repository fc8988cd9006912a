/** How long a client may take to say what it wants; an answer may take as long as it takes. */
export interface ReceiptTimes {
  /** For the headers of a request. */
  readonly headersMs: number
  /** For the whole of it. */
  readonly requestMs: number
  /** For the connection_init of a WebSocket; and what the answers before an upgrade may take. */
  readonly initMs: number
  /** Between two looks for requests that are late: so much longer they may take. */
  readonly lookEachMs: number
}

export const RECEIPT_TIMES: ReceiptTimes = { headersMs: 15_000, requestMs: 30_000, initMs: 10_000, lookEachMs: 5_000 }
