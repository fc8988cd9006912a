export interface Example {
  readonly name: string
  /** One operation, without variables. */
  readonly query: string
}

/**
 * GraphiQL's tabs. Each runs unchanged on the data of `npm run seed`, in any order and any number of times: no two
 * write to the same list.
 */
export const graphiqlExamples: readonly Example[] = [
  {
    name: 'Checkpoints',
    query: `# Where does every crawl stand? Ctrl-Enter runs it.
# The next tabs plan, save, watch and start a crawl.
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
    name: 'ResumePlan',
    query: `# What would the next crawl of a list do, and why?
# Here are one of each: INCREMENTAL, RESUME and FULL.
query ResumePlan {
  resumePlan(userId: "alice", stream: "reddit/saved") {
    mode
    untilItemIds
    reason
  }
  interrupted: resumePlan(userId: "bob", stream: "mastodon/bookmarks") {
    mode
    afterItemId
    pageToken
    reason
  }
  untouched: resumePlan(userId: "dan") {
    mode
    reason
  }
}
`,
  },
  {
    name: 'SaveCheckpoint',
    query: `# After each page: the last item processed, and how many
# more were done. Creates the checkpoint or moves it; each
# run counts one more. A crawler sends its sessionId too.
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
# StartSession in a second window: its session appears here,
# and 60 s later its end: nobody renews its lease.
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
    query: `# A crawl begins by asking what to do. takeover lets you
# run this again; a crawler leaves it out, and is told
# STREAM_BUSY while another session owns the list.
# End it with completeSession, stopSession or failSession;
# or its lease ends after 60 s, and the session is FAILED.
mutation StartSession {
  startSession(input: { userId: "alice", stream: "reddit/saved", takeover: true }) {
    ... on StartSessionSuccess {
      session {
        sessionId
        status
        startedAt
        leaseExpiresAt
      }
      plan {
        mode
        reason
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
