import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { TIME_FIELD } from '../../src/database/told-times.ts'

describe('the names of Prisma’s fields', () => {
  it('say which are times: those that end in At or Until, `until`, and no others', () => {
    const schema = readFileSync(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8')
    const fields = [...schema.matchAll(/^ {2}(\w+) +([A-Z]\w+)[?[\]]* /gm)].map(([, name, type]) => ({ name, type }))
    expect(fields.length).toBeGreaterThan(60)
    const isTime = ({ type }: (typeof fields)[number]) => type === 'DateTime'
    expect(fields.filter(({ name = '' }) => TIME_FIELD.test(name))).toEqual(fields.filter(isTime))
  })
})
