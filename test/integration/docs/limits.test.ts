import { getOperationAST, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../../src/api/schema.ts'
import { PAGE_SIZES } from '../../../src/graphql/paging.ts'
import { costOf } from '../../../src/limits/cost.ts'
import { LARGEST_DOCUMENT_BYTES, MOST_DOCUMENT_BYTES } from '../../../src/operations/documents/document-cache.ts'
import { MOST_OBJECTS } from '../../../src/limits/cost-limit.ts'
import { MOST_DEPTH } from '../../../src/limits/depth.ts'
import { LONGEST_MESSAGE, MOST_ERRORS } from '../../../src/limits/error-limits.ts'
import { fragmentsOf } from '../../../src/graphql/fragments.ts'
import {
  MOST_ALIASES,
  MOST_BRANCHES,
  MOST_DIRECTIVES,
  MOST_DIRECTIVES_AT_ONE_PLACE,
  MOST_OF_ONE_NAME,
} from '../../../src/limits/occurrences.ts'
import {
  LARGE_BYTES,
  LARGE_PATIENCE_MS,
  LONGEST_REST_MS,
  MOST_WAITING_BYTES,
} from '../../../src/limits/large-requests.ts'
import { MOST_PIECES } from '../../../src/http/requests/read-body.ts'
import { MOST_CHARACTERS, MOST_TOKENS } from '../../../src/limits/parse-tokens.ts'
import { RECEIPT_TIMES } from '../../../src/limits/receipt-times.ts'
import { MOST_ROOT_FIELDS } from '../../../src/limits/root-fields.ts'
import { readDocument, sectionOf, tableRows } from './markdown.ts'

const document = await readDocument('docs/limits.md')
const toNumber = (cell = '') => Number(cell.replaceAll(',', ''))

describe('docs/limits.md', () => {
  it('gives the limits of documents that there are', () => {
    const figures = new Map(tableRows(document, 'Table').map(([limit, figure]) => [limit, toNumber(figure)]))
    const documented = (word: RegExp) => [...figures].filter(([limit]) => word.test(limit ?? '')).map(([, n]) => n)
    expect(documented(/^tokens/)).toEqual([MOST_TOKENS])
    expect(documented(/^fields nested/)).toEqual([MOST_DEPTH])
    expect(documented(/^aliases/)).toEqual([MOST_ALIASES])
    expect(documented(/^directives of/)).toEqual([MOST_DIRECTIVES])
    expect(documented(/^directives at/)).toEqual([MOST_DIRECTIVES_AT_ONE_PLACE])
    expect(documented(/^root fields/)).toEqual([MOST_ROOT_FIELDS])
    expect(documented(/^fields with fields/)).toEqual([MOST_BRANCHES])
    expect(documented(/^objects/)).toEqual([MOST_OBJECTS])
    expect(documented(/^characters of a document/)).toEqual([MOST_CHARACTERS])
    expect(documented(/^fields of one name/)).toEqual([MOST_OF_ONE_NAME])
    expect(documented(/^errors of an answer/)).toEqual([MOST_ERRORS])
    expect(documented(/^characters of an error/)).toEqual([LONGEST_MESSAGE])
  })

  it('gives the memory that parsed documents may take', () => {
    const inMiB = (bytes: number) => `${bytes / 1024 ** 2} MiB`
    const text = sectionOf(document, 'What is kept of a request').replaceAll('\n', ' ')
    expect(text).toContain(`Together they take at most ${inMiB(MOST_DOCUMENT_BYTES)} of memory`)
    expect(text).toContain(`A document that would take more than ${inMiB(LARGEST_DOCUMENT_BYTES)} is parsed`)
  })

  it('gives the limits of large requests', () => {
    const rows = new Map(tableRows(document, 'Table').map(([limit, figure]) => [limit, figure]))
    const kib = `${LARGE_BYTES / 1024} KiB`
    expect(toNumber(rows.get('pieces in which a request body arrives'))).toBe(MOST_PIECES)
    expect(rows.get(`requests above ${kib} that are parsed at once`)).toBe('1')
    expect(rows.get(`wait of a request above ${kib} for its turn`)).toBe(`${LARGE_PATIENCE_MS / 1_000} s`)
    expect(rows.get('bytes of one caller that wait for their turn')).toBe(`${MOST_WAITING_BYTES / 1024 ** 2} MiB`)
    expect(sectionOf(document, 'Load')).toContain(`(at most ${LONGEST_REST_MS} ms)`)
  })

  it('gives the times that a client has to say what it wants', () => {
    const times = (what: RegExp) =>
      tableRows(document, 'Table').flatMap(([limit = '', time]) => (what.test(limit) ? time : []))
    const { headersMs, requestMs, initMs } = RECEIPT_TIMES
    expect(times(/^time to send the headers/)).toEqual([`${headersMs / 1_000} s, ${requestMs / 1_000} s`])
    expect(times(/connection_init/)).toEqual([`${initMs / 1_000} s`])
  })

  it('counts objects as the server does', () => {
    const rows = tableRows(document, 'How objects are counted')
    const queries = rows.filter(([operation]) => operation?.startsWith('`{'))
    expect(queries).toHaveLength(2)
    for (const [operation = '', objects] of queries) {
      const parsed = parse(operation.replaceAll('`', '').replaceAll('..', 'lastItemId'))
      const query = getOperationAST(parsed)
      if (!query) throw new Error(`${operation} is no operation`)
      expect(costOf(schema, fragmentsOf(parsed), query, {}, PAGE_SIZES).objects, operation).toBe(toNumber(objects))
    }
  })
})
