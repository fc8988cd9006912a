import type { Client } from '@urql/core'
import type { TypedDocumentNode } from '@apollo/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWaymark, type TestWaymark } from '../support/waymark.ts'
import { DocumentedProject } from './documented-project.ts'

/** Of a project of today: modules as Node has them, everything strict, and what browsers have. */
const TSCONFIG = {
  compilerOptions: {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'DOM.Iterable', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
    skipLibCheck: true,
    noEmit: true,
  },
  include: ['*.ts', 'gql'],
}
/** Uses what the generated types say. */
const TYPED = `import { GraphQLClient } from 'graphql-request'
import { RecentSessions } from './codegen-operations.ts'

const client = new GraphQLClient('')
export async function read(): Promise<string | undefined> {
  const { sessions } = await client.request(RecentSessions, { userId: 'alice' })
  return sessions.nodes[0]?.startedAt.toUpperCase()
}
`

describe('GraphQL Code Generator’s client preset, as docs/clients.md sets it up', () => {
  let project: DocumentedProject
  let waymark: TestWaymark
  beforeAll(async () => {
    project = await DocumentedProject.create()
    expect(await project.node('schema.mjs')).toEqual({ code: 0, output: '' })
    expect(await project.run('graphql-codegen', '--config', 'codegen.ts')).toMatchObject({ code: 0 })
    waymark = await startWaymark({
      PERSISTED_OPERATIONS: `${project.folder}/gql/persisted-documents.json`,
      PERSISTED_ONLY: '1',
    })
    await project.use(waymark.url)
  })
  afterAll(async () => {
    await project[Symbol.asyncDispose]()
    await waymark[Symbol.asyncDispose]()
  })

  it('writes a manifest whose IDs a server runs that runs nothing else', async () => {
    const { client } = await project.load<{ client: Client }>('codegen-client.ts')
    const { RecentSessions } = await project.load<{ RecentSessions: TypedDocumentNode }>('codegen-operations.ts')
    const { data, error } = await client.query(RecentSessions, { userId: 'alice' })
    expect(error?.message).toBeUndefined()
    expect(data).toEqual({ sessions: { nodes: [] } })
  })

  it('types operations, and each file of the page is right by the compiler', { timeout: 240_000 }, async () => {
    await project.write('tsconfig.json', JSON.stringify(TSCONFIG))
    await project.write('right.ts', TYPED)
    await project.write('wrong.ts', TYPED.replace('startedAt', 'startedAtt').replace('userId:', 'user:'))
    const { output } = await project.node('node_modules/typescript/bin/tsc')
    const errors = output.split('\n').filter((line) => /^\S/.test(line))
    expect(errors).toEqual([
      expect.stringMatching(/^wrong\.ts\(.*error TS2353/),
      expect.stringMatching(/^wrong\.ts\(.*error TS2551/),
    ])
  })
})
