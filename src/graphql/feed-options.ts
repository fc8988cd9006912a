/** The options of the field `feedCursor`, of a list that can be watched. */
export const feedCursorOptions = {
  description:
    'The place in the feed where this list was read. Send the one of the first page as `after` of the subscription: ' +
    'it delivers every later change. A change that the list already shows may come again.',
  resolve: ({ feedCursor }: { readonly feedCursor?: string }) => feedCursor ?? '',
}

/** The options of the argument `after`, of a feed. */
export const afterOptions = {
  description:
    'The `cursor` of an event or the `feedCursor` of a list: the feed continues behind it. Null: from now on. If it ' +
    'is answered by CURSOR_EXPIRED, read the list again.',
}
