import { type Logger, pino } from 'pino'
import { describeError } from '../errors/describe-error.ts'

/** So much of what nobody has read yet is kept, then lines are dropped: 30,000 lines of requests or so. */
const MOST_UNREAD_BYTES = 8 * 1024 * 1024
/** Lines gather for so long, to be written together: to hand a write over costs more than a line, and nobody reads a log sooner. */
const GATHER_MS = 10
/** Or up to so much, which is dropped together too. */
const MOST_GATHERED = 16 * 1024

/**
 * The log of a server, JSON on stdout. Lines gather before they are written, and while others are, so that many requests share one
 * system call (a read's line was 11 to 15 % of its processor time: docs/adr/0014-speed.md); and a pipe that nobody reads, or a full disk behind
 * it, stops neither the server nor its end. What is left is written before the process ends, unless it is killed.
 * @param level of pino
 */
export function createServerLog(level: string): Logger {
  let isEnding = false
  // Before pino's own listener, which writes what is left and would wait for a reader for good.
  process.once('exit', () => {
    isEnding = true
    write()
    const flush = output.flushSync.bind(output)
    output.flushSync = () => {
      try {
        flush()
      } catch {
        // Nobody reads it, and nobody is left to be told.
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
    // It would be tried again and again; while the server runs, the next line tries.
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
      // pino's own keeps every property: pg hangs the whole client on an error, with the key that cancels its statements.
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
    log.warn({ lines }, 'lines of this log were dropped: they are read more slowly than they are written')
  })
  return log
}
