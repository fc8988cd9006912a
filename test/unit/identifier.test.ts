import { describe, expect, it } from 'vitest'
import { encodeNodeId } from '../../src/graphql/node-id.ts'
import {
  bookmarkCountSchema,
  freeTextSchema,
  identifierProblem,
  nameProblem,
  NODE_TYPES,
} from '../../src/identity/identifier.ts'

describe('a user or session ID', () => {
  it.each([
    '1',
    '00000',
    'ada@example.org',
    'Ада',
    '用户',
    ' with spaces ',
    "'; DROP TABLE",
    '🦜'.repeat(255),
    'x'.repeat(255),
  ])('may be %j', (text) => {
    expect(identifierProblem(text)).toBeUndefined()
  })

  it('is counted in characters, as VARCHAR(255) does, and not in UTF-16 units', () => {
    expect('🦜'.repeat(255)).toHaveLength(510)
    expect(identifierProblem('🦜'.repeat(256))).toBe('must not be longer than 255 characters')
  })

  it.each([
    ['', 'must not be empty'],
    ['x'.repeat(256), 'must not be longer than 255 characters'],
    ['a\0b', 'must not contain control characters'],
    ['a\nb', 'must not contain control characters'],
    ['a\u001fb', 'must not contain control characters'],
    ['a\u007fb', 'must not contain control characters'],
    ['a\u0085b', 'must not contain control characters'],
    ['a\u009fb', 'must not contain control characters'],
    ['a\ud800b', 'must not contain control characters'],
    ['\udc00', 'must not contain control characters'],
  ])('is not %j', (text, problem) => {
    expect(nameProblem(text)).toBe(problem)
    expect(identifierProblem(text)).toBe(problem)
  })

  it.each(NODE_TYPES)('is not the global id of a %s, padded or not, in either alphabet', (type) => {
    for (const key of ['alice', 'alice1', 'alice12', '["alice","twitter/bookmarks"]', '>>>???']) {
      const id = encodeNodeId(type, key)
      for (const spelling of [id, id.replace(/=+$/, ''), id.replaceAll('+', '-').replaceAll('/', '_')]) {
        expect(identifierProblem(spelling), spelling).toMatch(/^is a global id; send the natural key/)
      }
    }
  })

  it.each([btoa('Other:alice'), btoa('Userx'), btoa('user:alice'), 'VXNlcj', 'alice', 'User:alice'])(
    'may look a little like one: %s',
    (text) => {
      expect(identifierProblem(text)).toBeUndefined()
    },
  )
})

describe('free text', () => {
  const check = (text: string) => freeTextSchema(5).safeParse(text).success

  it('is everything that PostgreSQL can store, line ends too, up to its length in characters', () => {
    for (const text of ['', 'a\nb\t', '🦜🦜🦜🦜🦜']) expect(check(text), text).toBe(true)
    for (const text of ['a\0', '\ud800', 'abcdef', '🦜🦜🦜🦜🦜🦜'])
      expect(check(text), JSON.stringify(text)).toBe(false)
  })
})

describe('a count of bookmarks', () => {
  it.each([0, 1, 2_147_483_647])('may be %i', (count) => {
    expect(bookmarkCountSchema.safeParse(count).success).toBe(true)
  })
  it.each([-1, 2_147_483_648, 1.5, NaN, Infinity])('is not %d', (count) => {
    expect(bookmarkCountSchema.safeParse(count).success).toBe(false)
  })
})
