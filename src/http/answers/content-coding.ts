import { readWeights, remembering } from './quality-values.ts'

/** How the bytes of an answer are sent. */
export type ContentCoding = 'br' | 'gzip' | 'identity'

/** The codings that a client accepts. */
export interface AcceptedCodings {
  /** The best accepted coding that makes an answer smaller; undefined: none is accepted, or the client prefers none. */
  readonly smaller: 'br' | 'gzip' | undefined
  readonly gzip: boolean
  /** Whether an uncompressed answer is accepted. */
  readonly plain: boolean
}

/**
 * The codings that we serve. Brotli comes first among equal weights: it is smaller than gzip for less processor time
 * (docs/adr/0016-get.md).
 */
const served = ['br', 'gzip'] as const

const readAcceptEncoding = remembering(judge)

/**
 * Reads an Accept-Encoding header (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3). A higher q comes first, then
 * our order, not the header's. Without a header nothing is compressed: the client may be unable to decompress.
 */
export function acceptedCodings(acceptEncoding: string | undefined): AcceptedCodings {
  return acceptEncoding === undefined
    ? { smaller: undefined, gzip: false, plain: true }
    : readAcceptEncoding(acceptEncoding)
}

function judge(acceptEncoding: string): AcceptedCodings {
  const weights = new Map(
    readWeights(acceptEncoding).map(({ name, weight }) => [name === 'x-gzip' ? 'gzip' : name, weight]),
  )
  const others = weights.get('*')
  const weightOf = (coding: ContentCoding) => weights.get(coding) ?? others ?? 0
  const plain = weights.get('identity') ?? others
  const [best] = served.filter((coding) => weightOf(coding) > 0).sort((a, b) => weightOf(b) - weightOf(a))
  // A client that prefers `identity` gets the answer uncompressed.
  const isWanted = best !== undefined && weightOf(best) >= (weights.get('identity') ?? 0)
  return { smaller: isWanted ? best : undefined, gzip: weightOf('gzip') > 0, plain: plain !== 0 }
}
