import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors/fault.ts'
import {
  checkpointNodeId,
  checkpointNodeKey,
  parseCheckpointNodeKey,
} from '../../src/crawl/checkpoint/graphql-node-id.ts'
import { decodeNodeId, encodeNodeId } from '../../src/graphql/node-id.ts'

const awkward = ['1', ':', 'a:b', '"', '\\', '["a","b"]', 'ä', '🦜', ' ', 'line\nend', '=', 'User:x']

describe('a global id', () => {
  it('never changes: clients keep it', () => {
    expect(encodeNodeId('User', 'alice')).toBe('VXNlcjphbGljZQ==')
    expect(encodeNodeId('CrawlSession', 's1')).toBe('Q3Jhd2xTZXNzaW9uOnMx')
    expect(checkpointNodeId({ userId: 'alice', stream: 'twitter/bookmarks' })).toBe(
      'Q2hlY2twb2ludDpbImFsaWNlIiwidHdpdHRlci9ib29rbWFya3MiXQ==',
    )
  })

  it.each(awkward)('gives its key back: %j', (key) => {
    for (const type of ['User', 'CrawlSession']) {
      expect(decodeNodeId(encodeNodeId(type, key))).toEqual({ typename: type, id: key })
    }
  })

  it.each(awkward)('of a checkpoint gives user and stream back: %j', (text) => {
    for (const key of [
      { userId: text, stream: 'twitter/bookmarks' },
      { userId: 'alice', stream: text },
    ]) {
      const { typename, id } = decodeNodeId(checkpointNodeId(key))
      expect(typename).toBe('Checkpoint')
      expect(parseCheckpointNodeKey(id)).toEqual(key)
    }
  })

  it('is another one for each (user, stream), whatever is in their names', () => {
    const keys = awkward.flatMap((userId) => awkward.map((stream) => checkpointNodeKey({ userId, stream })))
    expect(new Set(keys).size).toBe(keys.length)
  })

  it.each([
    ['nothing', ''],
    ['a natural key', 'alice'],
    ['no base64', 'VXNlcjp%%'],
    ['a type that has no ids', btoa('Query:1')],
    ['a member of Object.prototype', btoa('constructor:1')],
    ['a type without a key', btoa('User:')],
    ['a key with NUL', btoa('User:a\0')],
    ['bytes that are no UTF-8', Buffer.from([...Buffer.from('User:'), 0xff, 0xfe]).toString('base64')],
  ])('is not %s', (_what, id) => {
    expect(() => decodeNodeId(id)).toThrow(Fault)
    expect(() => decodeNodeId(id)).toThrow(/is no id: send the id field of an object of this API/)
  })

  it.each([
    '',
    '{}',
    '[]',
    '["a"]',
    '["a","b","c"]',
    '[1,"b"]',
    '["a",null]',
    '["a\\u0000","b"]',
    '"ab"',
    'null',
    '["a"',
  ])('of a checkpoint has no key like %j', (key) => {
    expect(() => parseCheckpointNodeKey(key)).toThrow(/is no id of a Checkpoint/)
  })

  it('that is refused is repeated in part only', () => {
    const thrown = (() => {
      try {
        return decodeNodeId('x'.repeat(10_000))
      } catch (error) {
        return error
      }
    })()
    expect((thrown as Error).message.length).toBeLessThan(250)
  })
})
