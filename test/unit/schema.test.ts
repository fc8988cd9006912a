import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { printApi, schema } from '../../src/api/schema.ts'
import { isObjectType, isInterfaceType, isInputObjectType, isUnionType, isEnumType, isScalarType } from 'graphql'

describe('schema.graphql', () => {
  it('is what the code prints (npm run schema writes it anew)', () => {
    expect(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')).toBe(printApi())
  })

  it('describes every type, and every operation', () => {
    const types = Object.values(schema.getTypeMap()).filter(
      (type) =>
        !type.name.startsWith('__') &&
        (isObjectType(type) ||
          isInterfaceType(type) ||
          isInputObjectType(type) ||
          isUnionType(type) ||
          isEnumType(type) ||
          isScalarType(type)),
    )
    expect(types.filter(({ description }) => !description).map(({ name }) => name)).toEqual([])
    const operations = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
      Object.values(type?.getFields() ?? {}),
    )
    expect(operations.length).toBeGreaterThan(15)
    expect(operations.filter(({ description }) => !description).map(({ name }) => name)).toEqual([])
  })
})
