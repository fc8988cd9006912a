import * as relay from 'relay-runtime'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startOn } from '../support/waymark.ts'
import { type ClientsWorld, expectToFollow, type SessionChanges, startClientsWorld } from './clients-world.ts'
import { DocumentedProject, guide } from './documented-project.ts'

const QUERIES = `import { graphql } from 'relay-runtime'
graphql\`
  query queriesPageQuery($userId: String!, $count: Int!) {
    user(userId: $userId) { ...queries_sessions @arguments(count: $count) }
  }
\`
graphql\`
  fragment queries_sessions on User
  @argumentDefinitions(count: { type: "Int!" }, cursor: { type: "String" })
  @refetchable(queryName: "queriesMoreQuery") {
    sessions(first: $count, after: $cursor) @connection(key: "queries__sessions") {
      edges { node { sessionId startedAt } }
    }
  }
\`
graphql\`
  mutation queriesSaveMutation($input: SaveCheckpointInput!) {
    saveCheckpoint(input: $input) {
      ... on SaveCheckpointSuccess { checkpoint { lastItemId } }
      ... on UserError { code message }
    }
  }
\`
graphql\`
  subscription queriesChangesSubscription($after: String) {
    sessionStatusChanged(after: $after) { cursor kind sessionId session { status } }
  }
\`
`
const COMPILED = { code: 0, output: expect.stringContaining('Compilation completed') as string }

interface UserOfPage {
  readonly id: string
}

/** What Relay's compiler made of a document. */
async function artifact<Node>(project: DocumentedProject, name: string): Promise<Node> {
  const { default: node } = await project.load<{ default: Node }>(`__generated__/${name}.graphql.ts`)
  return node
}

async function follow(world: ClientsWorld, environment: relay.Environment, sessionId: string): Promise<void> {
  const subscription = await artifact<relay.ConcreteRequest>(world.project, 'queriesChangesSubscription')
  await expectToFollow(world, sessionId, (after, { onChange, onError }) => {
    const onNext = (change: unknown) => onChange((change as SessionChanges).sessionStatusChanged)
    const { dispose } = relay.requestSubscription(environment, { subscription, variables: { after }, onNext, onError })
    return dispose
  })
}

describe('Relay, as docs/clients.md sets it up', () => {
  let world: ClientsWorld
  let environment: relay.Environment
  beforeAll(async () => {
    world = await startClientsWorld()
    await world.project.write('queries.ts', QUERIES)
    expect(await world.project.run('relay-compiler')).toEqual(COMPILED)
    ;({ environment } = await world.project.load<{ environment: relay.Environment }>('relay-environment.ts'))
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('reads a page, and the next one through node(id:), which @connection joins', async () => {
    const page = await artifact<relay.ConcreteRequest>(world.project, 'queriesPageQuery')
    const more = await artifact<relay.ConcreteRequest>(world.project, 'queriesMoreQuery')
    const fragment = await artifact<relay.ReaderFragment>(world.project, 'queries_sessions')
    const operation = relay.createOperationDescriptor(page, { userId: 'alice', count: 2 })
    const retained = environment.retain(operation)
    await relay.fetchQuery(environment, page, { userId: 'alice', count: 2 }).toPromise()

    const joined = () => {
      const { user } = environment.lookup(operation.fragment).data as { user: unknown }
      const selector = relay.getSingularSelector(fragment, user)
      return environment.lookup(selector).data as unknown as UserOfPage & {
        sessions: { edges: { node: { sessionId: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string } }
      }
    }
    const sessionIds = () => joined().sessions.edges.map(({ node }) => node.sessionId)
    expect(sessionIds()).toEqual(['s3', 's2'])
    const { id, sessions } = joined()
    expect(sessions.pageInfo.hasNextPage).toBe(true)
    const next = { id, count: 2, cursor: sessions.pageInfo.endCursor }
    await relay.fetchQuery(environment, more, next).toPromise()
    expect(sessionIds()).toEqual(['s3', 's2', 's1'])
    retained.dispose()
  })

  it('saves, and has the code of a refusal', async () => {
    const mutation = await artifact<relay.ConcreteRequest>(world.project, 'queriesSaveMutation')
    const save = (userId: string) =>
      new Promise<unknown>((resolve, reject) => {
        const variables = { input: { userId, itemId: '21' } }
        relay.commitMutation(environment, { mutation, variables, onCompleted: resolve, onError: reject })
      })
    expect(await save('alice')).toMatchObject({ saveCheckpoint: { checkpoint: { lastItemId: '21' } } })
    expect(await save('nobody')).toMatchObject({ saveCheckpoint: { code: 'USER_NOT_FOUND' } })
  })

  it('follows the sessions', () => follow(world, environment, 'relay'))

  it('runs with a network layer that adds members of its own to requests', async () => {
    const page = await artifact<relay.ConcreteRequest>(world.project, 'queriesPageQuery')
    const network = relay.Network.create(async ({ id, name, text, metadata }, variables) => {
      const response = await fetch(world.waymark.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id, metadata, operationName: name, query: text, variables }),
      })
      return (await response.json()) as relay.GraphQLResponse
    })
    const other = new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) })
    const answer = await relay.fetchQuery(other, page, { userId: 'alice', count: 1 }).toPromise()
    expect(answer).toMatchObject({ user: {} })
  })
})

describe('Relay, with persistConfig as docs/clients.md has it', () => {
  it('sends IDs of the manifest that its compiler wrote, to a server that runs nothing else', async () => {
    await using project = await DocumentedProject.create()
    await project.write('queries.ts', QUERIES)
    const [, persistConfig] = /`"persistConfig": (\{[^`]*\})`/.exec(guide) ?? []
    const config = JSON.parse(await project.read('relay.config.json')) as object
    await project.write(
      'relay.config.json',
      JSON.stringify({ ...config, persistConfig: JSON.parse(persistConfig ?? '') as unknown }),
    )
    await project.write('operations.json', '{}')
    expect(await project.run('relay-compiler')).toEqual(COMPILED)
    const persisted = { PERSISTED_OPERATIONS: `${project.folder}/operations.json`, PERSISTED_ONLY: '1' }
    await using world = await startClientsWorld()
    const server = await startOn(world.waymark.database.url, persisted)
    await project.use(server.url)
    const { environment } = await project.load<{ environment: relay.Environment }>('relay-environment.ts')
    const page = await artifact<relay.ConcreteRequest>(project, 'queriesPageQuery')
    expect(page.params.text).toBeNull()
    const answer = await relay.fetchQuery(environment, page, { userId: 'alice', count: 1 }).toPromise()
    expect(answer).toMatchObject({ user: {} })
    await follow({ ...world, project }, environment, 'relay-persisted')
    await server.close()
  })
})
