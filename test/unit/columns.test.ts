import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { revisionColumns } from '../../src/crawl/history/revision.ts'
import { literalColumns } from '../../src/crawl/checkpoint/row.ts'
import { mapColumns } from '../../src/database/columns.ts'
import { sessionColumns } from '../../src/crawl/session/row.ts'

interface Page {
  readonly pageId: string
  readonly readAt: Date | null
  readonly size: bigint | null
}
const pageColumns = mapColumns<Page>({ pageId: 'page_id', readAt: { time: 'read_at' }, size: { bigint: 'byte_size' } })

describe('the map from field to column of an entity', () => {
  it('makes the SELECT whose rows are entities, also of some of its fields', () => {
    const some = pageColumns.pick('readAt', 'pageId')
    expect(some.selected('p')).toBe('p.page_id AS "pageId", p.read_at AS "readAt"')
    expect(some.named('p')).toBe('p.page_id, p.read_at')
    expect(some.fromJson({ page_id: 'a', read_at: null, byte_size: 5 })).toEqual({ pageId: 'a', readAt: null })
  })

  it('reads a row of to_jsonb: times within what the API can say, bigints, NULL, and columns that are not there', () => {
    const read = (row: Record<string, unknown>) => pageColumns.fromJson(row)
    expect(read({ page_id: 'a', read_at: '2026-01-02T03:04:05.678901+00:00', byte_size: 7, more: 1 })).toEqual({
      ...{ pageId: 'a', readAt: new Date('2026-01-02T03:04:05.678Z'), size: 7n },
    })
    expect(read({ page_id: 'a', read_at: 'infinity' })).toEqual({
      ...{ pageId: 'a', readAt: new Date('9999-12-31T23:59:59.999Z'), size: null },
    })
  })

  it('makes no SELECT of a bigint, which the driver gives as text', () => {
    expect(() => pageColumns.selected('p')).toThrow(/byte_size is a bigint/)
  })

  it('does not compile where a time is taken for text, or a field has no column', () => {
    // @ts-expect-error Its value in JSON is no Date.
    mapColumns<Page>({ pageId: 'page_id', readAt: 'read_at', size: { bigint: 'byte_size' } })
    // @ts-expect-error There is no size.
    mapColumns<Page>({ pageId: 'page_id', readAt: { time: 'read_at' } })
  })

  it.each([
    ['CrawlSession', sessionColumns],
    ['Checkpoint', literalColumns],
    ['CheckpointRevision', revisionColumns],
  ])('names the columns as prisma/schema.prisma does: %s', (model, columns) => {
    const schema = readFileSync(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8')
    const [, body = ''] = new RegExp(`^model ${model} \\{(.*?)^\\}`, 'ms').exec(schema) ?? []
    const fields = [...body.matchAll(/^ {2}(\w+) +(?:String|Int|BigInt|Boolean|DateTime)\b(.*)$/gm)]
    const named = fields.map(([, field = '', rest = '']) => /@map\("(\w+)"\)/.exec(rest)?.[1] ?? field)
    expect(named.length).toBeGreaterThan(6)
    expect(columns.named('t').split(', ').sort()).toEqual(named.map((column) => `t.${column}`).sort())
  })
})
