import { Kind, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { graphiqlExamples } from '../../../src/http/graphiql/graphiql-examples.ts'
import { post, rawRequest, schemaOf, serve } from './http-support.ts'

const schema = schemaOf('type Query { a: Int }', {})
const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

describe('a browser that opens /graphql', () => {
  it('gets GraphiQL with every example in a tab of its own, sending all operations by POST', async () => {
    const server = await serve(schema)
    const page = await rawRequest(server, '/graphql', { headers: browser })
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    const options =
      /YogaGraphiQL\.renderYogaGraphiQL\(\s*window\.document\.querySelector\('#root'\),\s*(.*),\s*\);/.exec(page.text)
    expect(JSON.parse(options?.[1] ?? '')).toMatchObject({
      defaultTabs: graphiqlExamples.map(({ query }) => ({ query })),
      method: 'POST',
    })
  })

  it('loads nothing from another host: the page names none, and its policy forbids it', async () => {
    const server = await serve(schema)
    const page = await rawRequest(server, '/graphql', { headers: browser })
    const markup = page.text.replaceAll(/<script>[^]*?<\/script>|<style>[^]*?<\/style>/g, '')
    expect(markup).toContain('<div id="root">')
    expect(markup).not.toMatch(/(src|href)\s*=\s*["']?(https?:)?\/\//i)
    expect(page.text).not.toMatch(/<script[^>]+src=/i)
    const styles = [...page.text.matchAll(/<style>([^]*?)<\/style>/g)].map(([, css]) => css).join('')
    expect(styles).not.toMatch(/@import|url\(\s*["']?(https?:)?\/\//i)
    const policy = String(page.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("connect-src 'self'")
    expect(policy).not.toMatch(/\*|https?:/)
  })

  it('gets it compressed if it can, and the same', async () => {
    const server = await serve(schema)
    const plain = await rawRequest(server, '/graphql', { headers: browser })
    const zipped = await fetch(server.url, { headers: { ...browser, 'accept-encoding': 'gzip' } })
    expect(zipped.headers.get('content-encoding')).toBe('gzip')
    expect(Number(zipped.headers.get('content-length'))).toBeLessThan(plain.text.length / 2)
    expect((await zipped.text()) === plain.text).toBe(true)
  })
})

describe('a browser that opens / or /graphiql', () => {
  it('is led to GraphiQL; a program is told where GraphQL is', async () => {
    const server = await serve(schema)
    for (const path of ['/', '/graphiql', '/graphiql?query={a}']) {
      for (const method of ['GET', 'HEAD']) {
        const led = await rawRequest(server, path, { method, headers: browser })
        // Not for ever: something else may be here some day.
        expect([led.status, led.headers.location, led.text]).toEqual([302, '/graphql', ''])
      }
      for (const accept of ['*/*', 'application/json', 'application/json, text/html;q=0.1', 'text/html;q=0'])
        expect((await rawRequest(server, path, { headers: { accept } })).status).toBe(404)
      expect((await rawRequest(server, path, { method: 'POST', headers: browser })).status).toBe(404)
    }
    const page = await fetch(new URL('/', server.url), { headers: browser })
    expect([page.redirected, new URL(page.url).pathname]).toEqual([true, '/graphql'])
    expect(await page.text()).toContain('<div id="root">')
  })

  it('is told how to turn it on where it is off', async () => {
    const server = await serve(schema, { graphiql: false })
    for (const path of ['/', '/graphiql']) {
      const { status, text } = await rawRequest(server, path, { headers: browser })
      expect([status, text]).toEqual([404, expect.stringMatching(/\/graphql.*GRAPHIQL=1/)])
    }
  })
})

describe('a browser where GraphiQL is off', () => {
  it('is told how to turn it on, and everything else is served', async () => {
    const server = await serve(schema, { graphiql: false })
    const page = await rawRequest(server, '/graphql', { headers: browser })
    expect([page.status, page.headers.allow]).toEqual([405, 'POST'])
    expect(page.text).toContain('GRAPHIQL=1')
    expect((await post(server, { query: '{ a }' })).data).toEqual({ a: null })
    expect((await rawRequest(server, '/graphql?query={a}', { headers: browser })).text).toBe('{"data":{"a":null}}')
  })
})

describe('the examples', () => {
  it('are one named operation each: queries, a mutation and a subscription', () => {
    const kinds = graphiqlExamples.map(({ name, query }) => {
      const [operation, ...more] = parse(query).definitions
      expect(more).toEqual([])
      if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error(`${name} is no operation`)
      expect(operation.name?.value).toBe(name)
      return operation.operation
    })
    expect(new Set(kinds)).toEqual(new Set(['query', 'mutation', 'subscription']))
  })
})
