// Written by npm run client:documents: do not edit.
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '../typed-document.ts'
/** What happened to a checkpoint. More kinds may come. */
export type CheckpointEventKind =
  /** It was cleared, or another program deleted its row. */
  | 'CLEARED'
  /** The list was paused. Also for a list without a checkpoint: `lastItemId` is null then, and `bookmarksCount` 0. A change of a pause that stands already is no event, nor is the end of its time. */
  | 'PAUSED'
  /** It was rolled back. `lastItemId` is null if it was rolled back to a clear. */
  | 'ROLLED_BACK'
  /** It changed: by a save, a completion, an import or another program. */
  | 'SAVED'
  /** The pause of the list was ended with unpauseCrawl. */
  | 'UNPAUSED'
  | (string & {});

/** Conditions on checkpoints. All that are given must hold; null is no condition. */
export type CheckpointFilter = {
  /** True: checkpoints that are `complete`. False: all others. */
  readonly complete?: boolean | null | undefined;
  /** Checkpoints whose `lastCompletedAt` is earlier, or null. */
  readonly completedBefore?: string | null | undefined;
  /** Checkpoints whose `lastCrawledAt` is later. */
  readonly crawledAfter?: string | null | undefined;
  /** Checkpoints whose `lastCrawledAt` is earlier. */
  readonly crawledBefore?: string | null | undefined;
  /** True: checkpoints of lists that are paused now. False: all others. */
  readonly paused?: boolean | null | undefined;
  /** Checkpoints of all streams of this platform. */
  readonly platform?: Platform | null | undefined;
  /** True: checkpoints of lists that a live session owns (see `liveSession`). False: all others. */
  readonly running?: boolean | null | undefined;
  /** Checkpoints of this stream. */
  readonly stream?: string | null | undefined;
  /** Checkpoints of this user. */
  readonly userId?: string | null | undefined;
};

/** The checkpoint to clear. */
export type ClearCheckpointInput = {
  /** The version that the checkpoint must have; another one is VERSION_CONFLICT. 0: there must be no checkpoint. */
  readonly expectedVersion?: number | null | undefined;
  /** The session that clears. Required while a live session owns the stream. */
  readonly sessionId?: string | null | undefined;
  /** The stream, as "<platform>/<list>", e.g. twitter/bookmarks. The platform is in lower case; the list keeps its case. */
  readonly stream?: string | null | undefined;
  /** The natural key of the user. */
  readonly userId: string;
};

/** A session whose crawl reached the end. */
export type CompleteSessionInput = {
  /** The total of the session so far, 0 to 2^31 - 1. One that is lower than stored changes nothing. */
  readonly bookmarksProcessed?: number | null | undefined;
  /** The file that the crawler wrote, at most 4,096 characters. */
  readonly outputFilePath?: string | null | undefined;
  /** The session to end. */
  readonly sessionId: string;
};

/** A crawler's counts since its last report. Waymark adds them up. */
export type CrawlMetricsInput = {
  /** Requests to the platform, 0 to 2^31 - 1. */
  readonly apiRequests?: number | null | undefined;
  /** Requests that the platform refused by its rate limit, 0 to 2^31 - 1. */
  readonly rateLimitHits?: number | null | undefined;
};

/** Conditions on sessions. All that are given must hold; null is no condition. */
export type CrawlSessionFilter = {
  /** Sessions that are RUNNING, or whose `completedAt` is later: what a timeline since then shows. */
  readonly activeAfter?: string | null | undefined;
  /** Sessions whose `completedAt` is later. A running session never matches. */
  readonly completedAfter?: string | null | undefined;
  /** Sessions whose `completedAt` is earlier. A running session never matches. */
  readonly completedBefore?: string | null | undefined;
  /** Sessions that ended for one of these reasons. An empty list matches none. */
  readonly endReason?: ReadonlyArray<SessionEndReason> | null | undefined;
  /** Sessions of all streams of this platform. */
  readonly platform?: Platform | null | undefined;
  /** True: running sessions whose `rateLimitedUntil` is in the future. False: all others. */
  readonly rateLimited?: boolean | null | undefined;
  /** Sessions that are stalled for one of these reasons. An empty list matches none. */
  readonly stallReason?: ReadonlyArray<StallReason> | null | undefined;
  /** True: sessions that are stalled (see CrawlSession.stalled). False: all others. */
  readonly stalled?: boolean | null | undefined;
  /** Sessions whose `startedAt` is later. */
  readonly startedAfter?: string | null | undefined;
  /** Sessions whose `startedAt` is earlier. */
  readonly startedBefore?: string | null | undefined;
  /** Sessions in one of these statuses. An empty list matches none. */
  readonly status?: ReadonlyArray<CrawlSessionStatus> | null | undefined;
  /** Sessions of this stream. */
  readonly stream?: string | null | undefined;
  /** Sessions of this user. */
  readonly userId?: string | null | undefined;
  /** Sessions that were started with this `worker`. */
  readonly worker?: string | null | undefined;
};

/** The state of a session. */
export type CrawlSessionStatus =
  /** It reached the end of what there was to crawl. */
  | 'COMPLETED'
  /** It could not continue. `errorMessage` says why. */
  | 'FAILED'
  /** It has started and not ended. */
  | 'RUNNING'
  /** It ended early, as it was asked to. */
  | 'STOPPED'
  | (string & {});

/** The kind of a refusal. More kinds may come: treat an unknown one as a failure, and show its message. */
export type ErrorCode =
  /** A catch-up has nowhere to stop. */
  | 'CATCH_UP_IMPOSSIBLE'
  /** The user has a checkpoint on the stream already. */
  | 'CHECKPOINT_EXISTS'
  /** There is no such checkpoint. */
  | 'CHECKPOINT_NOT_FOUND'
  /** The history does not hold that revision any more. */
  | 'HISTORY_EXPIRED'
  /** A value of the input is wrong. `issues` names each. */
  | 'INVALID_INPUT'
  /** The stream is ASCENDING, and the item ID is below the stored one. */
  | 'ORDER_VIOLATION'
  /** The session has ended. */
  | 'SESSION_CLOSED'
  /** A session with this ID already exists. */
  | 'SESSION_EXISTS'
  /** There is no such session of this user and stream. */
  | 'SESSION_NOT_FOUND'
  /** Another session has taken the stream. */
  | 'STALE_EPOCH'
  /** A live session owns the stream of this user. */
  | 'STREAM_BUSY'
  /** The list is paused. */
  | 'STREAM_PAUSED'
  /** The user does not exist. */
  | 'USER_NOT_FOUND'
  /** The checkpoint has another version than expected. */
  | 'VERSION_CONFLICT'
  | (string & {});

/** A session to end because it could not continue. */
export type FailSessionInput = {
  /** The total of the session so far, 0 to 2^31 - 1. One that is lower than stored changes nothing. */
  readonly bookmarksProcessed?: number | null | undefined;
  /** The reason, at most 10,000 characters. */
  readonly errorMessage: string;
  /** The session to end. */
  readonly sessionId: string;
};

/** A report that the crawler is alive, and its progress. */
export type HeartbeatInput = {
  /** The total of the session so far, 0 to 2^31 - 1. One that is lower than stored changes nothing. */
  readonly bookmarksProcessed?: number | null | undefined;
  /** The crawler's counts since its last report. */
  readonly metrics?: CrawlMetricsInput | null | undefined;
  /** When the platform lets the crawler continue, at most 24 hours ahead. The lease lasts at least until then. Null: the crawler is not rate limited. */
  readonly rateLimitedUntil?: string | null | undefined;
  /** The session that is alive. */
  readonly sessionId: string;
};

/** The order that the item IDs of successive saves must keep. */
export type ItemOrdering =
  /** Rising. A save whose item ID is below the stored one is ORDER_VIOLATION. Not possible on platforms whose IDs have no order (YOUTUBE and OTHER). */
  | 'ASCENDING'
  /** No order. Right for bookmark lists: a tweet that is bookmarked today may be old and have a low ID. */
  | 'NONE'
  | (string & {});

/** A list to pause. */
export type PauseCrawlInput = {
  /** Why, at most 500 characters. Whoever starts a session or reads the plan sees it. */
  readonly reason?: string | null | undefined;
  /** A crawler's own live session of this list. Required without the scope operate. */
  readonly sessionId?: string | null | undefined;
  /** The stream, as "<platform>/<list>", e.g. twitter/bookmarks. The platform is in lower case; the list keeps its case. */
  readonly stream?: string | null | undefined;
  /** When the pause ends: later than now, at most 400 days ahead. With `sessionId`, a pause that ends later already stays as it is. */
  readonly until: string;
  /** The user whose list it is. The user must be registered. */
  readonly userId: string;
};

/** A platform: the part of a stream name before the slash. It decides which item IDs are valid. */
export type Platform =
  /** Bluesky. An item ID is an AT URI with a DID, or its TID. */
  | 'BLUESKY'
  /** LinkedIn. An item ID is any URN, e.g. urn:li:activity:7180000000000000000, or the number of a post. */
  | 'LINKEDIN'
  /** Mastodon. An item ID is the number of a status. */
  | 'MASTODON'
  /** Any other platform. An item ID is any text of 1 to 255 characters. */
  | 'OTHER'
  /** Reddit. An item ID is a fullname, e.g. t3_1abcde. */
  | 'REDDIT'
  /** Twitter (X). An item ID is a tweet ID, e.g. 1790000000000000007. */
  | 'TWITTER'
  /** YouTube. An item ID is a video ID of 11 characters. */
  | 'YOUTUBE'
  | (string & {});

/** How the next crawl reads a list that comes newest first. */
export type ResumeMode =
  /** What is above the head of an unfinished crawl: crawl from the top, or continue after `afterItemId`, until an item of that head is met. Only startSession with the mode CATCH_UP plans it. */
  | 'CATCH_UP'
  /** There is no checkpoint, or a full pass has no item yet: crawl from the top, or from the page of `pageToken`, to the end. */
  | 'FULL'
  /** The checkpoint is complete: crawl from the top until an anchor is met, or to the end. */
  | 'INCREMENTAL'
  /** The checkpoint is incomplete: continue after its position until an anchor is met, or to the end. */
  | 'RESUME'
  | (string & {});

/** What changed a checkpoint. */
export type RevisionSource =
  /** A clear: clearCheckpoint. */
  | 'CLEAR'
  /** The end of a crawl: the head became the anchors. */
  | 'COMPLETE'
  /** Another program, which wrote to the table. */
  | 'EXTERNAL'
  /** An import: importCheckpoints, or saveCheckpoints with `import`. */
  | 'IMPORT'
  /** A move: moveCheckpoint. The old user's history ends with it; the new user's goes on with it. */
  | 'MOVE'
  /** The begin of a full pass: startSession with the mode FULL. */
  | 'RESTART'
  /** A rollback: rollbackCheckpoint. */
  | 'ROLLBACK'
  /** A save: saveCheckpoint or saveCheckpoints. */
  | 'SAVE'
  | (string & {});

/** The checkpoint to roll back, and to which version: exactly one of `toVersion` and `toTime`. */
export type RollbackCheckpointInput = {
  /** True: tell what would happen, and write nothing. */
  readonly dryRun?: boolean | null | undefined;
  /** The version that the checkpoint must have; another one is VERSION_CONFLICT. 0: there must be no checkpoint. */
  readonly expectedVersion?: number | null | undefined;
  /** The stream, as "<platform>/<list>", e.g. twitter/bookmarks. The platform is in lower case; the list keeps its case. */
  readonly stream: string;
  /** Restores the version that was current at this time. A time before the first version is INVALID_INPUT. */
  readonly toTime?: string | null | undefined;
  /** The version to restore. The current one changes nothing; a higher one is INVALID_INPUT, and so is one that a move skipped. */
  readonly toVersion?: number | null | undefined;
  /** The natural key of the user. */
  readonly userId: string;
};

/** The progress of a crawl. Send it after each page. */
export type SaveCheckpointInput = {
  /** The number of bookmarks to add to the totals of the checkpoint and the session, 0 to 2^31 - 1. Send an `idempotencyKey` with it, so that a repeat counts once. */
  readonly bookmarksAdded?: number | null | undefined;
  /** The total of bookmarks processed so far, repeats included, 0 to 2^31 - 1. It can be sent again safely. Not together with `bookmarksAdded`, nor without `itemId`; without both, the total stays. */
  readonly bookmarksCount?: number | null | undefined;
  /** When the page was crawled, from the year 2000 to 24 hours ahead. Default: now, by the clock of the database. */
  readonly crawledAt?: string | null | undefined;
  /** The version that the checkpoint must have; another one is VERSION_CONFLICT. 0: there must be no checkpoint. */
  readonly expectedVersion?: number | null | undefined;
  /** The newest items of the list, newest first, at most 50. Send them with the first page that has items, and with the next pages until there are three. Only those of the session that saved the first item of the crawl count; they become the anchors when the crawl completes. An ID that the platform cannot have is left out. */
  readonly headItemIds?: ReadonlyArray<string> | null | undefined;
  /** A key of at most 255 characters that makes a repeat safe: under it, the save takes effect once and a repeat returns its result. It belongs to the session, or for saves without one to the user and stream, for 24 hours. The same key with other content is INVALID_INPUT. A refused save can be repeated. A save that a rollback or a clear undid is judged anew. */
  readonly idempotencyKey?: string | null | undefined;
  /** The ID of the last item that was processed. Always a string: tweet IDs exceed 2^53. Null: the page had no items, and only the page token moves; that needs `sessionId` and `pageToken`. */
  readonly itemId?: string | null | undefined;
  /** The crawler's counts since its last report. */
  readonly metrics?: CrawlMetricsInput | null | undefined;
  /** The platform's token of the next page, at most 8 KiB. A save without it removes the stored one. */
  readonly pageToken?: string | null | undefined;
  /** When the platform lets the crawler continue, at most 24 hours ahead. The lease lasts at least until then. Null: the crawler is not rate limited. */
  readonly rateLimitedUntil?: string | null | undefined;
  /** The session that saves. It must own the stream. Without it, the save is refused while a live session owns the stream. */
  readonly sessionId?: string | null | undefined;
  /** The stream, as "<platform>/<list>". Default: that of the session, else twitter/bookmarks. */
  readonly stream?: string | null | undefined;
  /** The user whose list it is. The user must be registered. */
  readonly userId: string;
};

/** What ended a session. */
export type SessionEndReason =
  /** Its lease ran out without a sign of life. */
  | 'LEASE_EXPIRED'
  /** The crawler ended it. */
  | 'REPORTED'
  /** Another session took the stream. */
  | 'TAKEN_OVER'
  | (string & {});

/** What happened to a session. More kinds may come. */
export type SessionEventKind =
  /** It was deleted. */
  | 'DELETED'
  /** It reported `rateLimitedUntil`: with a save, or with the first such heartbeat since its last save. Its status did not change. */
  | 'RATE_LIMITED'
  /** It had stalled and makes progress again. Its status did not change. */
  | 'RECOVERED'
  /** It has stalled: see `stallReason` of the session. Told once, within about a second. Its status did not change. */
  | 'STALLED'
  /** It was created. */
  | 'STARTED'
  /** Its status changed. */
  | 'STATUS_CHANGED'
  /** It was asked to stop. Its status did not change. */
  | 'STOP_REQUESTED'
  | (string & {});

/** Why a live session makes no progress. */
export type StallReason =
  /** Its page tokens go round: a token that was kept has come back three times. Or 100 of its saves in a row had no item. It lasts until the session ends; without items, until a save has one. It goes before NO_PROGRESS. */
  | 'LOOP'
  /** Neither its position nor its page token has moved for 5 leases, and it is not rate limited. */
  | 'NO_PROGRESS'
  | (string & {});

/** Which crawl a session begins or continues. */
export type StartMode =
  /** What resumePlan says. */
  | 'AUTO'
  /** Only what is above the head of an unfinished crawl. Without a checkpoint, or with a complete one, it is AUTO. */
  | 'CATCH_UP'
  /** The whole list again, to the end: after a list that ended early, for items that reappear below the anchors, or for a list that shows only its newest 800 or 1,000 items. */
  | 'FULL'
  | (string & {});

/** A run of a crawler to start. */
export type StartSessionInput = {
  /** A flag that Waymark only stores. */
  readonly directImport?: boolean | null | undefined;
  /** A flag that Waymark only stores. */
  readonly enableSummarization?: boolean | null | undefined;
  /** A key of at most 255 characters that makes a repeat safe: under it, a second call returns the session that the first one started, while that runs. */
  readonly idempotencyKey?: string | null | undefined;
  /** True: start although the list is paused. Needs the scope operate. */
  readonly ignorePause?: boolean | null | undefined;
  /** How many seconds the session owns the stream after each sign of life: 5 to 3600, default 60. */
  readonly leaseSeconds?: number | null | undefined;
  /** Which crawl to begin or continue. */
  readonly mode?: StartMode | null | undefined;
  /** The file that the crawler writes, at most 4,096 characters. */
  readonly outputFilePath?: string | null | undefined;
  /** The natural key of the session: 1 to 255 characters. A caller that is bound to some users must send a UUID. Default: the server makes a UUIDv7. */
  readonly sessionId?: string | null | undefined;
  /** The stream, as "<platform>/<list>", e.g. twitter/bookmarks. The platform is in lower case; the list keeps its case. */
  readonly stream?: string | null | undefined;
  /** True: end the present owner as FAILED (TAKEN_OVER) and own the stream. */
  readonly takeover?: boolean | null | undefined;
  /** The user whose list it crawls. The user must be registered. */
  readonly userId: string;
  /** The host, pod or name of the crawler, at most 255 characters. */
  readonly worker?: string | null | undefined;
};

/** A session to end before its crawl reached the end. */
export type StopSessionInput = {
  /** The total of the session so far, 0 to 2^31 - 1. One that is lower than stored changes nothing. */
  readonly bookmarksProcessed?: number | null | undefined;
  /** The session to end. */
  readonly sessionId: string;
};

export type CheckpointFieldsFragment = { readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null };

export type RevisionFieldsFragment = { readonly id: string, readonly userId: string, readonly stream: string, readonly version: number, readonly source: RevisionSource, readonly actor: string | null, readonly lastItemId: string | null, readonly bookmarksCount: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly epoch: number, readonly recordedAt: string, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null };

export type ReadCheckpointQueryVariables = Exact<{
  userId: string;
  stream?: string | null | undefined;
}>;


export type ReadCheckpointQuery = { readonly checkpoint: { readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null } | null };

export type ReadPlanQueryVariables = Exact<{
  userId: string;
  stream?: string | null | undefined;
}>;


export type ReadPlanQuery = { readonly resumePlan: { readonly mode: ResumeMode, readonly afterItemId: string | null, readonly pageToken: string | null, readonly untilItemIds: ReadonlyArray<string>, readonly reason: string } | null };

export type ReadHistoryQueryVariables = Exact<{
  userId: string;
  stream?: string | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type ReadHistoryQuery = { readonly checkpointHistory: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly userId: string, readonly stream: string, readonly version: number, readonly source: RevisionSource, readonly actor: string | null, readonly lastItemId: string | null, readonly bookmarksCount: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly epoch: number, readonly recordedAt: string, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type SaveCheckpointMutationVariables = Exact<{
  input: SaveCheckpointInput;
}>;


export type SaveCheckpointMutation = { readonly result:
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'OrderViolationError', readonly lastItemId: string, readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'SaveCheckpointSuccess', readonly replayed: boolean, readonly checkpoint: { readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null } }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StreamBusyError', readonly retryAt: string | null, readonly code: ErrorCode, readonly message: string, readonly owner: { readonly sessionId: string, readonly worker: string | null, readonly startedAt: string, readonly leaseExpiresAt: string | null } }
    | { readonly __typename: 'TokenSavedSuccess' }
    | { readonly __typename: 'UserNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'VersionConflictError', readonly currentVersion: number, readonly code: ErrorCode, readonly message: string }
   };

export type ClearCheckpointMutationVariables = Exact<{
  input: ClearCheckpointInput;
}>;


export type ClearCheckpointMutation = { readonly result:
    | { readonly __typename: 'ClearCheckpointSuccess', readonly cleared: boolean }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StreamBusyError', readonly retryAt: string | null, readonly code: ErrorCode, readonly message: string, readonly owner: { readonly sessionId: string, readonly worker: string | null, readonly startedAt: string, readonly leaseExpiresAt: string | null } }
    | { readonly __typename: 'VersionConflictError', readonly currentVersion: number, readonly code: ErrorCode, readonly message: string }
   };

export type RollbackCheckpointMutationVariables = Exact<{
  input: RollbackCheckpointInput;
}>;


export type RollbackCheckpointMutation = { readonly result:
    | { readonly __typename: 'CheckpointNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'HistoryExpiredError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'RollbackCheckpointSuccess', readonly checkpoint: { readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null } | null, readonly target: { readonly id: string, readonly userId: string, readonly stream: string, readonly version: number, readonly source: RevisionSource, readonly actor: string | null, readonly lastItemId: string | null, readonly bookmarksCount: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly epoch: number, readonly recordedAt: string, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null }, readonly revision: { readonly id: string, readonly userId: string, readonly stream: string, readonly version: number, readonly source: RevisionSource, readonly actor: string | null, readonly lastItemId: string | null, readonly bookmarksCount: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly epoch: number, readonly recordedAt: string, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null } | null }
    | { readonly __typename: 'StreamBusyError', readonly retryAt: string | null, readonly code: ErrorCode, readonly message: string, readonly owner: { readonly sessionId: string, readonly worker: string | null, readonly startedAt: string, readonly leaseExpiresAt: string | null } }
    | { readonly __typename: 'VersionConflictError', readonly currentVersion: number, readonly code: ErrorCode, readonly message: string }
   };

export type SessionFieldsFragment = { readonly id: string, readonly sessionId: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly startedAt: string, readonly completedAt: string | null, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null, readonly bookmarksProcessed: number, readonly directImport: boolean, readonly enableSummarization: boolean, readonly outputFilePath: string | null, readonly errorMessage: string | null, readonly worker: string | null, readonly mode: ResumeMode | null, readonly planReason: string | null, readonly attempt: number, readonly epoch: number, readonly leaseSeconds: number | null, readonly leaseExpiresAt: string | null, readonly heartbeatAt: string | null, readonly stopRequestedAt: string | null, readonly stopReason: string | null, readonly rateLimitedUntil: string | null, readonly stalled: boolean, readonly stallReason: StallReason | null, readonly commits: number, readonly bookmarksPerSecond: number | null, readonly apiRequests: number, readonly rateLimitHits: number };

export type ListCheckpointsQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
  filter?: CheckpointFilter | null | undefined;
}>;


export type ListCheckpointsQuery = { readonly rows: { readonly feedCursor: string, readonly nodes: ReadonlyArray<{ readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type ListSessionsQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
  filter?: CrawlSessionFilter | null | undefined;
}>;


export type ListSessionsQuery = { readonly rows: { readonly feedCursor: string, readonly nodes: ReadonlyArray<{ readonly id: string, readonly sessionId: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly startedAt: string, readonly completedAt: string | null, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null, readonly bookmarksProcessed: number, readonly directImport: boolean, readonly enableSummarization: boolean, readonly outputFilePath: string | null, readonly errorMessage: string | null, readonly worker: string | null, readonly mode: ResumeMode | null, readonly planReason: string | null, readonly attempt: number, readonly epoch: number, readonly leaseSeconds: number | null, readonly leaseExpiresAt: string | null, readonly heartbeatAt: string | null, readonly stopRequestedAt: string | null, readonly stopReason: string | null, readonly rateLimitedUntil: string | null, readonly stalled: boolean, readonly stallReason: StallReason | null, readonly commits: number, readonly bookmarksPerSecond: number | null, readonly apiRequests: number, readonly rateLimitHits: number }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type CheckpointChangesSubscriptionVariables = Exact<{
  filter?: CheckpointFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type CheckpointChangesSubscription = { readonly change: { readonly cursor: string, readonly kind: CheckpointEventKind, readonly occurredAt: string, readonly nodeId: string, readonly userId: string, readonly stream: string, readonly version: number, readonly lastItemId: string | null, readonly bookmarksCount: number, readonly checkpoint: { readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null } | null } };

export type SessionChangesSubscriptionVariables = Exact<{
  filter?: CrawlSessionFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type SessionChangesSubscription = { readonly change: { readonly cursor: string, readonly kind: SessionEventKind, readonly occurredAt: string, readonly nodeId: string, readonly sessionId: string, readonly userId: string, readonly stream: string, readonly previousStatus: CrawlSessionStatus | null, readonly status: CrawlSessionStatus, readonly session: { readonly id: string, readonly sessionId: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly startedAt: string, readonly completedAt: string | null, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null, readonly bookmarksProcessed: number, readonly directImport: boolean, readonly enableSummarization: boolean, readonly outputFilePath: string | null, readonly errorMessage: string | null, readonly worker: string | null, readonly mode: ResumeMode | null, readonly planReason: string | null, readonly attempt: number, readonly epoch: number, readonly leaseSeconds: number | null, readonly leaseExpiresAt: string | null, readonly heartbeatAt: string | null, readonly stopRequestedAt: string | null, readonly stopReason: string | null, readonly rateLimitedUntil: string | null, readonly stalled: boolean, readonly stallReason: StallReason | null, readonly commits: number, readonly bookmarksPerSecond: number | null, readonly apiRequests: number, readonly rateLimitHits: number } | null } };

export type PlanFieldsFragment = { readonly mode: ResumeMode, readonly afterItemId: string | null, readonly pageToken: string | null, readonly untilItemIds: ReadonlyArray<string>, readonly reason: string };

type Refusal_CatchUpImpossibleError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_CheckpointExistsError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_CheckpointNotFoundError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_HistoryExpiredError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_InvalidInputError_Fragment = { readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> };

type Refusal_OrderViolationError_Fragment = { readonly lastItemId: string, readonly code: ErrorCode, readonly message: string };

type Refusal_SessionClosedError_Fragment = { readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } };

type Refusal_SessionExistsError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_SessionNotFoundError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_StaleEpochError_Fragment = { readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string };

type Refusal_StreamBusyError_Fragment = { readonly retryAt: string | null, readonly code: ErrorCode, readonly message: string, readonly owner: { readonly sessionId: string, readonly worker: string | null, readonly startedAt: string, readonly leaseExpiresAt: string | null } };

type Refusal_StreamPausedError_Fragment = { readonly code: ErrorCode, readonly message: string, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } };

type Refusal_UserNotFoundError_Fragment = { readonly code: ErrorCode, readonly message: string };

type Refusal_VersionConflictError_Fragment = { readonly currentVersion: number, readonly code: ErrorCode, readonly message: string };

export type RefusalFragment =
  | Refusal_CatchUpImpossibleError_Fragment
  | Refusal_CheckpointExistsError_Fragment
  | Refusal_CheckpointNotFoundError_Fragment
  | Refusal_HistoryExpiredError_Fragment
  | Refusal_InvalidInputError_Fragment
  | Refusal_OrderViolationError_Fragment
  | Refusal_SessionClosedError_Fragment
  | Refusal_SessionExistsError_Fragment
  | Refusal_SessionNotFoundError_Fragment
  | Refusal_StaleEpochError_Fragment
  | Refusal_StreamBusyError_Fragment
  | Refusal_StreamPausedError_Fragment
  | Refusal_UserNotFoundError_Fragment
  | Refusal_VersionConflictError_Fragment
;

export type StartSessionMutationVariables = Exact<{
  input: StartSessionInput;
}>;


export type StartSessionMutation = { readonly result:
    | { readonly __typename: 'CatchUpImpossibleError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'SessionExistsError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StartSessionSuccess', readonly ordering: ItemOrdering, readonly session: { readonly sessionId: string, readonly userId: string, readonly stream: string, readonly epoch: number, readonly leaseSeconds: number | null, readonly attempt: number }, readonly checkpoint: { readonly id: string, readonly userId: string, readonly stream: string, readonly platform: Platform, readonly lastItemId: string, readonly lastTweetId: string | null, readonly lastItemPublishedAt: string | null, readonly lastCrawledAt: string, readonly lastCompletedAt: string | null, readonly bookmarksCount: number, readonly createdAt: string, readonly updatedAt: string, readonly version: number, readonly epoch: number, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly anchorItemIds: ReadonlyArray<string>, readonly complete: boolean, readonly fullPass: boolean, readonly fullPassHasItem: boolean, readonly catchUp: { readonly lastItemId: string | null, readonly pageToken: string | null, readonly headItemIds: ReadonlyArray<string>, readonly startedAt: string } | null, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } | null } | null, readonly plan: { readonly mode: ResumeMode, readonly afterItemId: string | null, readonly pageToken: string | null, readonly untilItemIds: ReadonlyArray<string>, readonly reason: string } }
    | { readonly __typename: 'StreamBusyError', readonly retryAt: string | null, readonly code: ErrorCode, readonly message: string, readonly owner: { readonly sessionId: string, readonly worker: string | null, readonly startedAt: string, readonly leaseExpiresAt: string | null } }
    | { readonly __typename: 'StreamPausedError', readonly code: ErrorCode, readonly message: string, readonly pause: { readonly until: string, readonly reason: string | null, readonly pausedBy: string } }
    | { readonly __typename: 'UserNotFoundError', readonly code: ErrorCode, readonly message: string }
   };

export type SavePageMutationVariables = Exact<{
  input: SaveCheckpointInput;
}>;


export type SavePageMutation = { readonly result:
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'OrderViolationError', readonly lastItemId: string, readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'SaveCheckpointSuccess', readonly stopRequested: boolean, readonly replayed: boolean, readonly ignoredHeadItemIds: ReadonlyArray<string>, readonly session: { readonly stallReason: StallReason | null } | null }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StreamBusyError', readonly retryAt: string | null, readonly code: ErrorCode, readonly message: string, readonly owner: { readonly sessionId: string, readonly worker: string | null, readonly startedAt: string, readonly leaseExpiresAt: string | null } }
    | { readonly __typename: 'TokenSavedSuccess', readonly stopRequested: boolean, readonly replayed: boolean, readonly saver: { readonly stallReason: StallReason | null } }
    | { readonly __typename: 'UserNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'VersionConflictError', readonly currentVersion: number, readonly code: ErrorCode, readonly message: string }
   };

export type HeartbeatMutationVariables = Exact<{
  input: HeartbeatInput;
}>;


export type HeartbeatMutation = { readonly result:
    | { readonly __typename: 'HeartbeatSuccess', readonly stopRequested: boolean }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
   };

export type CompleteSessionMutationVariables = Exact<{
  input: CompleteSessionInput;
}>;


export type CompleteSessionMutation = { readonly result:
    | { readonly __typename: 'EndSessionSuccess' }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
   };

export type StopSessionMutationVariables = Exact<{
  input: StopSessionInput;
}>;


export type StopSessionMutation = { readonly result:
    | { readonly __typename: 'EndSessionSuccess' }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
   };

export type FailSessionMutationVariables = Exact<{
  input: FailSessionInput;
}>;


export type FailSessionMutation = { readonly result:
    | { readonly __typename: 'EndSessionSuccess' }
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
   };

export type PauseCrawlMutationVariables = Exact<{
  input: PauseCrawlInput;
}>;


export type PauseCrawlMutation = { readonly result:
    | { readonly __typename: 'InvalidInputError', readonly code: ErrorCode, readonly message: string, readonly issues: ReadonlyArray<{ readonly path: ReadonlyArray<string>, readonly message: string }> }
    | { readonly __typename: 'PauseCrawlSuccess' }
    | { readonly __typename: 'SessionClosedError', readonly code: ErrorCode, readonly message: string, readonly closed: { readonly sessionId: string, readonly status: CrawlSessionStatus, readonly endReason: SessionEndReason | null } }
    | { readonly __typename: 'SessionNotFoundError', readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'StaleEpochError', readonly currentEpoch: number, readonly code: ErrorCode, readonly message: string }
    | { readonly __typename: 'UserNotFoundError', readonly code: ErrorCode, readonly message: string }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}





export const ReadCheckpointDocument = /* @__PURE__ */ new TypedDocumentString(`query ReadCheckpoint($userId: String!, $stream: String) { checkpoint(userId: $userId, stream: $stream) { ...CheckpointFields } } fragment CheckpointFields on Checkpoint { id userId stream platform lastItemId lastTweetId lastItemPublishedAt lastCrawledAt lastCompletedAt bookmarksCount createdAt updatedAt version epoch pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } pause { until reason pausedBy } }`) as unknown as TypedDocumentString<ReadCheckpointQuery, ReadCheckpointQueryVariables>;
export const ReadPlanDocument = /* @__PURE__ */ new TypedDocumentString(`query ReadPlan($userId: String!, $stream: String) { resumePlan(userId: $userId, stream: $stream) { ...PlanFields } } fragment PlanFields on ResumePlan { mode afterItemId pageToken untilItemIds reason }`) as unknown as TypedDocumentString<ReadPlanQuery, ReadPlanQueryVariables>;
export const ReadHistoryDocument = /* @__PURE__ */ new TypedDocumentString(`query ReadHistory($userId: String!, $stream: String, $first: Int, $after: String) { checkpointHistory( userId: $userId stream: $stream first: $first after: $after ) { nodes { ...RevisionFields } pageInfo { hasNextPage endCursor } } } fragment RevisionFields on CheckpointRevision { id userId stream version source actor lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } epoch recordedAt }`) as unknown as TypedDocumentString<ReadHistoryQuery, ReadHistoryQueryVariables>;
export const SaveCheckpointDocument = /* @__PURE__ */ new TypedDocumentString(`mutation SaveCheckpoint($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { __typename ... on SaveCheckpointSuccess { replayed checkpoint { ...CheckpointFields } } ...Refusal } } fragment CheckpointFields on Checkpoint { id userId stream platform lastItemId lastTweetId lastItemPublishedAt lastCrawledAt lastCompletedAt bookmarksCount createdAt updatedAt version epoch pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } pause { until reason pausedBy } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<SaveCheckpointMutation, SaveCheckpointMutationVariables>;
export const ClearCheckpointDocument = /* @__PURE__ */ new TypedDocumentString(`mutation ClearCheckpoint($input: ClearCheckpointInput!) { result: clearCheckpoint(input: $input) { __typename ... on ClearCheckpointSuccess { cleared } ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<ClearCheckpointMutation, ClearCheckpointMutationVariables>;
export const RollbackCheckpointDocument = /* @__PURE__ */ new TypedDocumentString(`mutation RollbackCheckpoint($input: RollbackCheckpointInput!) { result: rollbackCheckpoint(input: $input) { __typename ... on RollbackCheckpointSuccess { checkpoint { ...CheckpointFields } target { ...RevisionFields } revision { ...RevisionFields } } ...Refusal } } fragment CheckpointFields on Checkpoint { id userId stream platform lastItemId lastTweetId lastItemPublishedAt lastCrawledAt lastCompletedAt bookmarksCount createdAt updatedAt version epoch pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } pause { until reason pausedBy } } fragment RevisionFields on CheckpointRevision { id userId stream version source actor lastItemId bookmarksCount pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } epoch recordedAt } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<RollbackCheckpointMutation, RollbackCheckpointMutationVariables>;
export const ListCheckpointsDocument = /* @__PURE__ */ new TypedDocumentString(`query ListCheckpoints($first: Int, $after: String, $filter: CheckpointFilter) { rows: checkpoints(first: $first, after: $after, filter: $filter) { feedCursor nodes { ...CheckpointFields } pageInfo { hasNextPage endCursor } } } fragment CheckpointFields on Checkpoint { id userId stream platform lastItemId lastTweetId lastItemPublishedAt lastCrawledAt lastCompletedAt bookmarksCount createdAt updatedAt version epoch pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } pause { until reason pausedBy } }`) as unknown as TypedDocumentString<ListCheckpointsQuery, ListCheckpointsQueryVariables>;
export const ListSessionsDocument = /* @__PURE__ */ new TypedDocumentString(`query ListSessions($first: Int, $after: String, $filter: CrawlSessionFilter) { rows: sessions(first: $first, after: $after, filter: $filter) { feedCursor nodes { ...SessionFields } pageInfo { hasNextPage endCursor } } } fragment SessionFields on CrawlSession { id sessionId userId stream platform startedAt completedAt status endReason bookmarksProcessed directImport enableSummarization outputFilePath errorMessage worker mode planReason attempt epoch leaseSeconds leaseExpiresAt heartbeatAt stopRequestedAt stopReason rateLimitedUntil stalled stallReason commits bookmarksPerSecond apiRequests rateLimitHits }`) as unknown as TypedDocumentString<ListSessionsQuery, ListSessionsQueryVariables>;
export const CheckpointChangesDocument = /* @__PURE__ */ new TypedDocumentString(`subscription CheckpointChanges($filter: CheckpointFilter, $after: String) { change: checkpointChanged(filter: $filter, after: $after) { cursor kind occurredAt nodeId userId stream version lastItemId bookmarksCount checkpoint { ...CheckpointFields } } } fragment CheckpointFields on Checkpoint { id userId stream platform lastItemId lastTweetId lastItemPublishedAt lastCrawledAt lastCompletedAt bookmarksCount createdAt updatedAt version epoch pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } pause { until reason pausedBy } }`) as unknown as TypedDocumentString<CheckpointChangesSubscription, CheckpointChangesSubscriptionVariables>;
export const SessionChangesDocument = /* @__PURE__ */ new TypedDocumentString(`subscription SessionChanges($filter: CrawlSessionFilter, $after: String) { change: sessionStatusChanged(filter: $filter, after: $after) { cursor kind occurredAt nodeId sessionId userId stream previousStatus status session { ...SessionFields } } } fragment SessionFields on CrawlSession { id sessionId userId stream platform startedAt completedAt status endReason bookmarksProcessed directImport enableSummarization outputFilePath errorMessage worker mode planReason attempt epoch leaseSeconds leaseExpiresAt heartbeatAt stopRequestedAt stopReason rateLimitedUntil stalled stallReason commits bookmarksPerSecond apiRequests rateLimitHits }`) as unknown as TypedDocumentString<SessionChangesSubscription, SessionChangesSubscriptionVariables>;
export const StartSessionDocument = /* @__PURE__ */ new TypedDocumentString(`mutation StartSession($input: StartSessionInput!) { result: startSession(input: $input) { __typename ... on StartSessionSuccess { session { sessionId userId stream epoch leaseSeconds attempt } checkpoint { ...CheckpointFields } plan { ...PlanFields } ordering } ...Refusal } } fragment CheckpointFields on Checkpoint { id userId stream platform lastItemId lastTweetId lastItemPublishedAt lastCrawledAt lastCompletedAt bookmarksCount createdAt updatedAt version epoch pageToken headItemIds anchorItemIds complete fullPass fullPassHasItem catchUp { lastItemId pageToken headItemIds startedAt } pause { until reason pausedBy } } fragment PlanFields on ResumePlan { mode afterItemId pageToken untilItemIds reason } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<StartSessionMutation, StartSessionMutationVariables>;
export const SavePageDocument = /* @__PURE__ */ new TypedDocumentString(`mutation SavePage($input: SaveCheckpointInput!) { result: saveCheckpoint(input: $input) { __typename ... on SaveCheckpointSuccess { stopRequested replayed ignoredHeadItemIds session { stallReason } } ... on TokenSavedSuccess { stopRequested replayed saver: session { stallReason } } ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<SavePageMutation, SavePageMutationVariables>;
export const HeartbeatDocument = /* @__PURE__ */ new TypedDocumentString(`mutation Heartbeat($input: HeartbeatInput!) { result: heartbeat(input: $input) { __typename ... on HeartbeatSuccess { stopRequested } ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<HeartbeatMutation, HeartbeatMutationVariables>;
export const CompleteSessionDocument = /* @__PURE__ */ new TypedDocumentString(`mutation CompleteSession($input: CompleteSessionInput!) { result: completeSession(input: $input) { __typename ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<CompleteSessionMutation, CompleteSessionMutationVariables>;
export const StopSessionDocument = /* @__PURE__ */ new TypedDocumentString(`mutation StopSession($input: StopSessionInput!) { result: stopSession(input: $input) { __typename ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<StopSessionMutation, StopSessionMutationVariables>;
export const FailSessionDocument = /* @__PURE__ */ new TypedDocumentString(`mutation FailSession($input: FailSessionInput!) { result: failSession(input: $input) { __typename ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<FailSessionMutation, FailSessionMutationVariables>;
export const PauseCrawlDocument = /* @__PURE__ */ new TypedDocumentString(`mutation PauseCrawl($input: PauseCrawlInput!) { result: pauseCrawl(input: $input) { __typename ...Refusal } } fragment Refusal on UserError { code message ... on InvalidInputError { issues { path message } } ... on SessionClosedError { closed: session { sessionId status endReason } } ... on StaleEpochError { currentEpoch } ... on StreamBusyError { owner { sessionId worker startedAt leaseExpiresAt } retryAt } ... on StreamPausedError { pause { until reason pausedBy } } ... on VersionConflictError { currentVersion } ... on OrderViolationError { lastItemId } }`) as unknown as TypedDocumentString<PauseCrawlMutation, PauseCrawlMutationVariables>;