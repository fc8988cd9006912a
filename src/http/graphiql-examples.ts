export interface Example {
  readonly name: string
  /** One operation, without variables. */
  readonly query: string
}

/** GraphiQL's tabs. Each runs as it stands against what `npm run seed` made, and can be run again. */
export const graphiqlExamples: readonly Example[] = [
  {
    name: 'Checkpoints',
    query: `# Where does every crawl stand? Ctrl-Enter runs it.
# The next tabs save, start a crawl and watch.
query Checkpoints {
  checkpoints(first: 10) {
    totalCount
    nodes {
      userId
      stream
      lastItemId
      lastCrawledAt
      bookmarksCount
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
  },
  {
    name: 'Sessions',
    query: `# The latest crawls, and how they ended.
query Sessions {
  sessionStats {
    total
    running
    completed
    stopped
    failed
    bookmarksProcessed
  }
  sessions(first: 10) {
    totalCount
    nodes {
      sessionId
      userId
      stream
      status
      startedAt
      completedAt
      bookmarksProcessed
      errorMessage
      checkpoint {
        lastItemId
      }
    }
  }
}
`,
  },
  {
    name: 'SaveCheckpoint',
    query: `# After each page: the last item processed, and how
# many more were done. Creates the checkpoint or moves it.
mutation SaveCheckpoint {
  saveCheckpoint(input: { userId: "alice", itemId: "1868123456789012480", bookmarksAdded: 1 }) {
    ... on SaveCheckpointSuccess {
      created
      checkpoint {
        lastItemId
        bookmarksCount
        updatedAt
      }
    }
    ... on UserError {
      code
      message
    }
  }
}
`,
  },
  {
    name: 'WatchSessions',
    query: `# Runs until you stop it or leave this tab. Meanwhile run
# StartSession in a second window: its session appears here.
subscription WatchSessions {
  sessionStatusChanged {
    kind
    sessionId
    userId
    previousStatus
    status
    occurredAt
    cursor
  }
}
`,
  },
  {
    name: 'StartSession',
    query: `# A crawl begins by asking where to resume. End it with
# completeSession, stopSession or failSession.
# takeover lets you run this twice; a crawler leaves it out,
# and is told STREAM_BUSY while another one owns the stream.
mutation StartSession {
  startSession(input: { userId: "alice", takeover: true }) {
    ... on StartSessionSuccess {
      session {
        sessionId
        status
        startedAt
      }
      checkpoint {
        lastItemId
      }
    }
    ... on UserError {
      code
      message
    }
  }
}
`,
  },
]
