import type { Database } from './database.ts'

/** The database's time. It follows from this process's clock and a measured offset, so that it costs no round trip. */
export interface DatabaseClock {
  now(): Date
  /** Measures the offset again. The true offset is within half a round trip of the measured one. */
  measure(): Promise<void>
}

export function createDatabaseClock(database: Database): DatabaseClock {
  let offsetMs = 0
  return {
    now: () => new Date(Date.now() + offsetMs),
    async measure() {
      const sentAt = Date.now()
      const [row] = await database.query<{ now: Date }>({ text: 'SELECT crawler.clock() AS now', values: [] })
      if (row) offsetMs = row.now.getTime() - (sentAt + Date.now()) / 2
    },
  }
}
