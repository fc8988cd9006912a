// What one would write for speed: fastify, Mercurius with its JIT, prepared statements, one statement for related rows.
import Fastify from 'fastify'
import { GraphQLScalarType } from 'graphql'
import mercurius from 'mercurius'
import pg from 'pg'
import { toStatus, typeDefs } from '../schema.mjs'
import { CHECKPOINT, SAVE, SESSION, SESSIONS, USER } from '../statements.mjs'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: Number(process.env.POOL_SIZE ?? 10) })
const rowsOf = async (name, text, values) => (await pool.query({ name, text, values })).rows

const toCheckpoint = (row) => ({
  userId: row.user_id,
  stream: row.stream,
  lastItemId: row.last_tweet_id,
  lastCrawledAt: row.last_crawled_at,
  bookmarksCount: row.bookmarks_count,
  updatedAt: row.updated_at,
})
const toSession = (row) => ({
  sessionId: row.session_id,
  stream: row.stream,
  status: toStatus(row.status),
  startedAt: row.started_at,
  completedAt: row.completed_at,
  bookmarksProcessed: row.bookmarks_processed,
  user: { userId: row.user_id },
  checkpoint: row.last_tweet_id === null ? null : toCheckpoint(row),
})

const resolvers = {
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: (date) => date.toISOString() }),
  SaveCheckpointResult: {
    resolveType: (result) => (result.checkpoint ? 'SaveCheckpointSuccess' : 'UserNotFoundError'),
  },
  Query: {
    async checkpoint(_, { userId, stream }) {
      const [row] = await rowsOf('checkpoint', CHECKPOINT, [userId, stream])
      return row && toCheckpoint(row)
    },
    async session(_, { sessionId }) {
      const [row] = await rowsOf('session', SESSION, [sessionId])
      return row && toSession(row)
    },
    async user(_, { userId }) {
      const [row] = await rowsOf('user', USER, [userId])
      return row && { userId: row.id }
    },
  },
  User: {
    async sessions({ userId }, { first }) {
      return { nodes: (await rowsOf('sessions', SESSIONS, [userId, first])).map(toSession) }
    },
  },
  Mutation: {
    async saveCheckpoint(_, { input: { userId, stream, itemId, bookmarksCount } }) {
      try {
        const [row] = await rowsOf('save', SAVE, [userId, stream, itemId, bookmarksCount])
        return { created: row.created, checkpoint: toCheckpoint(row) }
      } catch (error) {
        if (error.code === '23503') return { message: `there is no user ${userId}` }
        throw error
      }
    },
  },
}

const app = Fastify()
app.register(mercurius, { schema: typeDefs, resolvers, jit: 1 })
const url = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(`serves ${url}/graphql`)
