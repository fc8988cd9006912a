import { buildSchema, type DocumentNode, type ExecutionArgs, parse } from 'graphql'
import { isAsyncIterable } from 'graphql-yoga'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { EventPace } from '../../src/operations/streams/event-pace.ts'
import { createSharedSubscribe } from '../../src/operations/streams/shared-results.ts'

interface Event {
  readonly id: number
  readonly slow: () => unknown
}

const schema = buildSchema(
  'type Query { a: Int } type Subscription { told(after: String): Told } type Told { id: Int slow(more: Boolean): Int }',
)

describe('an event that many subscribers are told', () => {
  const document = parse('subscription ($after: String) { told(after: $after) { id slow } }')
  let subscribe: ReturnType<typeof createSharedSubscribe>
  let executed: number
  const event = (id: number): Event => ({
    id,
    slow: () => {
      executed += 1
      return executed
    },
  })
  beforeEach(() => {
    executed = 0
    subscribe = createSharedSubscribe()
  })

  async function tell(
    events: readonly Event[],
    {
      text = document,
      variableValues = {},
      reach = 'all',
    }: { text?: DocumentNode; variableValues?: object; reach?: string } = {},
  ) {
    const source = async function* () {
      for (const it of events) yield await Promise.resolve(it)
    }
    const args: ExecutionArgs = {
      schema,
      document: text,
      variableValues: { ...variableValues },
      subscribeFieldResolver: source,
      rootValue: undefined,
      fieldResolver: (parent: Event & { told?: Event }, _args, _context, { fieldName }) =>
        fieldName === 'told' ? parent : fieldName === 'slow' ? parent.slow() : parent.id,
    }
    const stream = await subscribe(args, reach)
    if (!isAsyncIterable(stream)) throw new Error(JSON.stringify(stream))
    const results = []
    for await (const result of stream) results.push(result)
    return results
  }

  it('is executed once for those who select the same of it, wherever they began', async () => {
    const events = [event(1), event(2)]
    const one = await tell(events)
    const other = await tell(events, { variableValues: { after: 'elsewhere' } })
    expect(one).toEqual([{ data: { told: { id: 1, slow: 1 } } }, { data: { told: { id: 2, slow: 2 } } }])
    // The same object: it is also written as text once.
    expect(other[0]).toBe(one[0])
    expect(other[1]).toBe(one[1])
    expect(executed).toBe(2)
  })

  it.each([
    ['another document', { text: parse('subscription { told { slow } }') }],
    ['another reach', { reach: '["alice"]' }],
  ])('is executed anew for %s', async (_what, options) => {
    const events = [event(1)]
    await tell(events)
    await tell(events, options)
    expect(executed).toBe(2)
  })

  it.each([
    'subscription ($more: Boolean!) { told { id slow @include(if: $more) } }',
    'subscription ($more: Boolean!) { told { id ...more } } fragment more on Told { slow @include(if: $more) }',
  ])('is executed anew where a variable selects something else: %s', async (query) => {
    const events = [event(1)]
    const text = parse(query)
    const [full] = await tell(events, { text, variableValues: { more: true } })
    const [less] = await tell(events, { text, variableValues: { more: false } })
    expect(full).toEqual({ data: { told: { id: 1, slow: 1 } } })
    expect(less).toEqual({ data: { told: { id: 1 } } })
  })

  it('is executed anew once what was read for it is a second old', async () => {
    const now = vi.spyOn(performance, 'now').mockReturnValue(10_000)
    try {
      subscribe = createSharedSubscribe()
      const events = [event(1)]
      await tell(events)
      now.mockReturnValue(10_600)
      expect(await tell(events)).toEqual([{ data: { told: { id: 1, slow: 1 } } }])
      now.mockReturnValue(11_200)
      expect(await tell(events)).toEqual([{ data: { told: { id: 1, slow: 2 } } }])
    } finally {
      now.mockRestore()
    }
  })

  it('is executed anew where a variable is null, and not left out', async () => {
    const text = parse('subscription ($more: Boolean = true) { told { id slow(more: $more) } }')
    const events = [event(1)]
    await tell(events, { text })
    await tell(events, { text, variableValues: { more: null } })
    expect(executed).toBe(2)
  })

  it('shares no errors: they name a request', async () => {
    const events = [
      {
        id: 1,
        slow: () => {
          executed += 1
          throw new Error(`failure ${executed}`)
        },
      },
    ]
    const [one] = await tell(events)
    const [other] = await tell(events)
    expect([one?.errors?.[0]?.message, other?.errors?.[0]?.message]).toEqual(['failure 1', 'failure 2'])
  })

  it('is made once the others of its pace are, unless all who waited for it have left', async () => {
    const pace = new EventPace(1)
    let end = () => {}
    const others = pace.run('other', 1, () => new Promise<void>((resolve) => (end = resolve)))
    subscribe = createSharedSubscribe({ pace, payments: undefined })
    const subscriber = { subject: 'ann', objects: 1 }
    const open = async (events: readonly Event[]) => {
      const args: ExecutionArgs = {
        ...{ schema, document, rootValue: undefined },
        subscribeFieldResolver: async function* () {
          for (const it of events) yield await Promise.resolve(it)
        },
        fieldResolver: (parent: Event, _args, _context, { fieldName }) =>
          fieldName === 'told' ? parent : fieldName === 'slow' ? parent.slow() : parent.id,
      }
      const stream = await subscribe(args, 'all', subscriber)
      if (!isAsyncIterable(stream)) throw new Error(JSON.stringify(stream))
      return stream
    }
    const [wanted, unwanted] = [event(1), event(2)]
    const streams = await Promise.all([open([wanted]), open([wanted]), open([unwanted])])
    const [left, stays, alone] = streams.map((stream) => ({ stream, told: stream.next() }))
    await new Promise(setImmediate)
    void left?.stream.return?.()
    void alone?.stream.return?.()
    expect(executed).toBe(0)
    end()
    await others
    expect(await stays?.told).toEqual({ done: false, value: { data: { told: { id: 1, slow: 1 } } } })
    await Promise.all([left?.told, alone?.told])
    expect(executed).toBe(1)
    expect(pace.waiting).toBe(0)
  })
})
