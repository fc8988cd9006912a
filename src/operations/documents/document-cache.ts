import type { DocumentNode, Token } from 'graphql'
import { LRUCache } from 'lru-cache'

const MIB = 1024 * 1024
/** The most bytes of all documents together: some 700 documents of a crawler or a dashboard. */
export const MOST_DOCUMENT_BYTES = 32 * MIB
/** The most bytes of one document. A larger one is parsed each time, so that it cannot displace all others at once. */
export const LARGEST_DOCUMENT_BYTES = 2 * MIB

/** Upper bounds of measured values: 200 to 330 bytes for each token of a syntax tree, and 90 for a comment. */
const BYTES_A_TOKEN = 400
const BYTES_A_LINE = 8
/** Operations of up to 100 fields are compiled, at about 1.6 KB for each field. */
const BYTES_A_COMPILED_TOKEN = 1_024
const MOST_COMPILED_TOKENS = 200

/**
 * A cache of documents by their text. It drops the least recently used first. Its bytes are bounded, because a caller
 * can send a new document each time: 256 of the largest ones took 340 MB.
 */
export function createDocumentCache(): LRUCache<string, DocumentNode> {
  return new LRUCache<string, DocumentNode>({
    maxSize: MOST_DOCUMENT_BYTES,
    maxEntrySize: LARGEST_DOCUMENT_BYTES,
    sizeCalculation: (document, text) => bytesOf(text, document),
  })
}

/** The approximate bytes of a document and everything that is kept for it. Rather too high than too low. */
function bytesOf(text: string, { loc }: DocumentNode): number {
  let tokens = 0
  for (let token: Token | null | undefined = loc?.startToken; token; token = token.next) tokens += 1
  return (
    text.length * 2 +
    (loc?.endToken.line ?? 0) * BYTES_A_LINE +
    tokens * BYTES_A_TOKEN +
    Math.min(tokens, MOST_COMPILED_TOKENS) * BYTES_A_COMPILED_TOKEN
  )
}
