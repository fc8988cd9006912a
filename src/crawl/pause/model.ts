import type { CrawlPause } from '../../database/generated/client.ts'
import { DomainError } from '../../errors/domain-error.ts'

/** A pause of a list: until when no session starts on it, why, and who asked for it. */
export type Pause = CrawlPause

/** Nothing was written: the list is paused. */
export class StreamPausedError extends DomainError {
  readonly code = 'STREAM_PAUSED'

  constructor(readonly pause: Pause) {
    super(
      `${pause.stream} of this user is paused until ${pause.until.toISOString()}${pause.reason === null ? '' : ` (${pause.reason})`}: start then, or ask an operator for unpauseCrawl.`,
    )
  }
}
