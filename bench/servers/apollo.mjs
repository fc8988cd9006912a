// The common stack, written the common way: Apollo Server with resolvers over Prisma, and Waymark's Prisma schema.
import { createRequire } from 'node:module'
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import { GraphQLScalarType } from 'graphql'
import { toStatus, typeDefs } from '../schema.mjs'

const { PrismaClient } = await import('../../dist/database/generated/client.js')
const { PrismaPg } = createRequire(new URL('../../package.json', import.meta.url))('@prisma/adapter-pg')
// Waymark's triggers write history and events. Without them its saves are plain upserts like those of the other
// servers.
const options = '-c session_replication_role=replica'
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, options }) })

const resolvers = {
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: (date) => date.toISOString() }),
  Query: {
    checkpoint: (_, { userId, stream }) =>
      prisma.checkpoint.findUnique({ where: { userId_stream: { userId, stream } } }),
    session: (_, { sessionId }) =>
      prisma.crawlSession.findUnique({ where: { sessionId }, include: { user: true, checkpoint: true } }),
    user: (_, { userId }) => prisma.user.findUnique({ where: { userId } }),
  },
  User: {
    sessions: async ({ userId }, { first }) => ({
      nodes: await prisma.crawlSession.findMany({
        where: { userId },
        orderBy: [{ startedAt: 'desc' }, { sessionId: 'desc' }],
        take: first,
        include: { checkpoint: true },
      }),
    }),
  },
  Mutation: {
    saveCheckpoint: async (_, { input: { userId, stream, itemId, bookmarksCount } }) => {
      const values = { lastItemId: itemId, bookmarksCount, lastCrawledAt: new Date(), updatedAt: new Date() }
      const checkpoint = await prisma.checkpoint.upsert({
        where: { userId_stream: { userId, stream } },
        create: { userId, stream, ...values },
        update: values,
      })
      return { created: checkpoint.createdAt > checkpoint.updatedAt, checkpoint }
    },
  },
  SaveCheckpointResult: { __resolveType: () => 'SaveCheckpointSuccess' },
  Session: { status: ({ status }) => toStatus(status) },
}

const server = new ApolloServer({ typeDefs, resolvers })
const { url } = await startStandaloneServer(server, { listen: { host: '127.0.0.1', port: 0 } })
console.log(`serves ${new URL('/graphql', url).href}`)
