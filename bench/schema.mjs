/** The part of the API that the works use, as SDL for the servers that need it. */
export const typeDefs = `
  scalar DateTime
  enum CrawlSessionStatus { RUNNING COMPLETED STOPPED FAILED }
  type User { userId: String! sessions(first: Int = 20): SessionConnection! }
  type SessionConnection { nodes: [Session!]! }
  type Session {
    sessionId: String! stream: String! status: CrawlSessionStatus! startedAt: DateTime! completedAt: DateTime
    bookmarksProcessed: Int! user: User! checkpoint: Checkpoint
  }
  type Checkpoint {
    userId: String! stream: String! lastItemId: String! lastCrawledAt: DateTime! bookmarksCount: Int! updatedAt: DateTime!
  }
  input SaveCheckpointInput { userId: String! stream: String! itemId: String! bookmarksCount: Int }
  type SaveCheckpointSuccess { created: Boolean! checkpoint: Checkpoint! }
  type UserNotFoundError { message: String! }
  union SaveCheckpointResult = SaveCheckpointSuccess | UserNotFoundError
  type Query {
    user(userId: String!): User
    checkpoint(userId: String!, stream: String!): Checkpoint
    session(sessionId: String!): Session
  }
  type Mutation { saveCheckpoint(input: SaveCheckpointInput!): SaveCheckpointResult! }`

export const toStatus = (status) =>
  ['running', 'completed', 'stopped'].includes(status) ? status.toUpperCase() : 'FAILED'
