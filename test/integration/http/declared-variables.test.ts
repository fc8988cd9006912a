import { Repeater } from 'graphql-yoga'
import { describe, expect, it } from 'vitest'
import { schemaOf, serve, until } from './http-support.ts'
import { transports } from './transports.ts'

const schema = schemaOf(
  'input In { list: [Int] } type Query { echo(text: String, in: In): String } type Subscription { watch(text: String): String }',
  {
    'Query.echo': (_source, args) => JSON.stringify(args),
    'Subscription.watch': (_source, { text }) =>
      new Repeater<unknown>(async (push, stop) => {
        await push({ watch: String(text).length.toString() })
        stop()
      }),
  },
)

describe('variables', () => {
  it.each(Object.entries(transports))('that the operation does not declare change nothing, over %s', async (_, ask) => {
    const { url } = await serve(schema)
    const query = 'query ($text: String = "default", $in: In) { echo(text: $text, in: $in) }'
    const echo = async (variables: Record<string, unknown>) => (await ask(url, query, variables)).data?.['echo']
    const junk = { other: { deep: [[[]]] }, constructor: 1, toString: 'x', hasOwnProperty: null }
    expect(await echo(junk)).toBe('{"text":"default"}')
    expect(await echo({ ...junk, text: null })).toBe('{"text":null}')
    expect(await echo({ ...junk, text: 'given', in: { list: [1] } })).toBe('{"text":"given","in":{"list":[1]}}')
    expect(await echo(JSON.parse('{"__proto__":{"text":"inherited"}}') as Record<string, unknown>)).toBe(
      '{"text":"default"}',
    )
  })

  it.each(['SSE', 'WebSocket'] as const)('of a subscription have at most 8 KiB, over %s', async (way) => {
    const server = await serve(schema)
    const query = 'subscription ($text: String) { watch(text: $text) }'
    const refused = await transports[way](server.url, query, { text: 'x'.repeat(8_200) })
    expect(refused.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    expect(refused.errors?.[0]?.message).toContain('8192 bytes')
    const undeclared = await transports[way](server.url, query, { text: 'x'.repeat(8_000), other: 'x'.repeat(20_000) })
    expect(undeclared.data).toEqual({ watch: '8000' })
    await until(() => expect(server.state().streams).toEqual({ sse: 0, websocket: 0 }))
  })
})
