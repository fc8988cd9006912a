import type { DocumentNode, Token } from 'graphql'
import { LRUCache } from 'lru-cache'

const MIB = 1024 * 1024
/** Of all documents together: some 700 of a crawler or a dashboard. */
export const MOST_DOCUMENT_BYTES = 32 * MIB
/** Of one, which is parsed each time above that. Nobody's documents may drive out everybody else's at once. */
export const LARGEST_DOCUMENT_BYTES = 2 * MIB

/** Upper bounds of what was measured: 200 to 330 bytes for each token of a syntax tree, and 90 for a comment's. */
const BYTES_A_TOKEN = 400
const BYTES_A_LINE = 8
/** Operations of up to 100 fields are compiled, and each field takes about 1.6 KB then. */
const BYTES_A_COMPILED_TOKEN = 1_024
const MOST_COMPILED_TOKENS = 200

/**
 * Documents by their text, the least recently used dropped first. Bounded by their bytes: any caller can
 * send another document each time, and of the largest ones 256 took 340 MB.
 */
export function createDocumentCache(): LRUCache<string, DocumentNode> {
  return new LRUCache<string, DocumentNode>({
    maxSize: MOST_DOCUMENT_BYTES,
    maxEntrySize: LARGEST_DOCUMENT_BYTES,
    sizeCalculation: (document, text) => bytesOf(text, document),
  })
}

/** About what a document and all that is kept of it take, rather more than less. */
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
