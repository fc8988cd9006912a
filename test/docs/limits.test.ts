import { getOperationAST, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../src/api/schema.ts'
import { costOf } from '../../src/http/limits/cost.ts'
import { MOST_OBJECTS } from '../../src/http/limits/cost-limit.ts'
import { MOST_DEPTH } from '../../src/http/limits/depth.ts'
import { fragmentsOf } from '../../src/http/limits/fragments.ts'
import {
  MOST_ALIASES,
  MOST_BRANCHES,
  MOST_DIRECTIVES,
  MOST_DIRECTIVES_AT_ONE_PLACE,
} from '../../src/http/limits/occurrences.ts'
import { MOST_TOKENS } from '../../src/http/limits/parse-tokens.ts'
import { RECEIPT_TIMES } from '../../src/http/limits/receipt-times.ts'
import { MOST_ROOT_FIELDS } from '../../src/http/limits/root-fields.ts'
import { readDocument, tableRows } from './markdown.ts'

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
      expect(costOf(schema, fragmentsOf(parsed), query, {}).objects, operation).toBe(toNumber(objects))
    }
  })
})
