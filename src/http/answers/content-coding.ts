import { readWeights, remembering } from './quality-values.ts'

/** How the bytes of an answer are sent. */
export type ContentCoding = 'br' | 'gzip' | 'identity'

/** Which codings a client takes. */
export interface AcceptedCodings {
  /** The best of those that make an answer smaller; undefined: none is accepted. */
  readonly smaller: 'br' | 'gzip' | undefined
  readonly gzip: boolean
  /** Whether an answer may be sent as it is. */
  readonly plain: boolean
}

/** Of equally good ones the first: it is smaller than gzip for less processor time (docs/adr/0016-get.md). */
const served = ['br', 'gzip'] as const

const readAcceptEncoding = remembering(judge)

/**
 * What an Accept-Encoding header allows (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3): a higher q goes first, then the order of
 * ours, not the header's. Without a header nothing is compressed: its sender may not know how to unpack.
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
  // Who would rather have it plain gets it plain.
  const isWanted = best !== undefined && weightOf(best) >= (weights.get('identity') ?? 0)
  return { smaller: isWanted ? best : undefined, gzip: weightOf('gzip') > 0, plain: plain !== 0 }
}
