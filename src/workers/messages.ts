/** What a worker tells the primary. */
export type WorkerMessage =
  | { readonly waymark: 'serves'; readonly url: string }
  /** It could not start, for a reason that the operator can fix. */
  | { readonly waymark: 'cannotStart'; readonly reason: string }
  | { readonly waymark: 'enterStream'; readonly id: number; readonly subject: string }
  | { readonly waymark: 'leaveStream'; readonly id: number }

/** What the primary tells a worker. */
export type PrimaryMessage =
  | { readonly waymark: 'stop' }
  /** @property refusal why the caller may not open the stream; undefined: it is counted */
  | { readonly waymark: 'streamEntered'; readonly id: number; readonly refusal: string | undefined }

/** The packages that count rates and metrics send messages of their own over the same channel. */
export function isWaymarkMessage(message: unknown): message is { readonly waymark: string } {
  return typeof message === 'object' && message !== null && 'waymark' in message
}
