/** Which revisions of a history are kept. Those that are neither young nor among the newest are deleted. */
export interface HistoryRetention {
  /** How many of the newest of each user's stream are kept, however old. At least 1. */
  readonly keepRevisions: number
  /** Younger ones are kept, however many, days. Only whole UTC days go. */
  readonly retentionDays: number
}
