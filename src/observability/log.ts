import { type Logger, pino } from 'pino'
import { describeError } from '../errors/describe-error.ts'

/** The most unread output that is kept, about 30,000 request lines. Beyond it lines are dropped. */
const MOST_UNREAD_BYTES = 8 * 1024 * 1024
/**
 * How long lines are collected before they are written together. A write costs more than a line, and nobody reads a log
 * sooner than this.
 */
const GATHER_MS = 10
/** The most characters that are collected before a write. If the output is full, they are dropped together. */
const MOST_GATHERED = 16 * 1024

/**
 * The log of a server, as JSON lines on stdout. Lines are collected before they are written, so that many requests
 * share one system call: one write per line took 11 to 15 % of a read's processor time (docs/adr/0014-speed.md). A pipe
 * that nobody reads, or a full disk behind it, stops neither the server nor its exit. The remaining lines are written
 * before the process ends, unless it is killed.
 * @param level a log level of pino
 */
export function createServerLog(level: string): Logger {
  let isEnding = false
  // Runs before pino's own listener, which writes the rest and would wait forever for a reader.
  process.once('exit', () => {
    isEnding = true
    write()
    const flush = output.flushSync.bind(output)
    output.flushSync = () => {
      try {
        flush()
      } catch {
        // There is nowhere left to report this error.
      }
    }
  })
  const output = pino.destination({
    dest: process.stdout.fd,
    sync: false,
    maxLength: MOST_UNREAD_BYTES,
    retryEAGAIN: () => !isEnding,
  })
  output.on('error', () => {
    // A flush would be retried endlessly. While the server runs, the next line tries again.
    output.flushSync = () => undefined
  })
  let gathered = ''

  function gather(line: string): void {
    if (gathered === '') setTimeout(write, GATHER_MS)
    gathered += line
    if (gathered.length >= MOST_GATHERED) write()
  }

  function write(): void {
    if (gathered === '') return
    const text = gathered
    gathered = ''
    output.write(text)
  }

  const log = pino(
    {
      level,
      // pino's own serializer keeps every property, and pg attaches the whole client to an error, with the key that
      // cancels its statements.
      serializers: { err: (error: unknown) => describeError(error, { stack: true }) },
    },
    { write: gather },
  )
  let dropped = 0
  output.on('drop', (text: string) => {
    dropped += text.split('\n').length - 1
  })
  output.on('drain', () => {
    if (dropped === 0) return
    const lines = dropped
    dropped = 0
    log.warn({ lines }, 'lines of this log were dropped: they were written faster than they were read')
  })
  return log
}
