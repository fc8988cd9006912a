/** Throw it in fetchPage: the platform asks to wait. crawl() waits, then fetches the same page again. */
export class RateLimited extends Error {
  override readonly name = 'RateLimited'
  readonly until: Date

  /** @param until when the platform answers again: a Date, or what `new Date` takes, e.g. milliseconds since 1970 */
  constructor(until: Date | number | string, message = 'the platform asks to wait') {
    super(message)
    this.until = new Date(until)
    if (Number.isNaN(this.until.getTime())) throw new TypeError('RateLimited needs the time until which to wait')
  }
}

/** Throw it in fetchPage: the platform does not take this page token any more. crawl() goes down again from the top. */
export class PageTokenRefused extends Error {
  override readonly name = 'PageTokenRefused'

  constructor(message = 'the platform refused the page token') {
    super(message)
  }
}

/**
 * Throw it in fetchPage: somebody has to do something first. crawl() pauses the list, and whoever starts a crawl of it
 * reads the message, e.g. "log in again".
 */
export class NeedsAttention extends Error {
  override readonly name = 'NeedsAttention'
}
