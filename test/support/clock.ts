import type { TestDatabase } from './database.ts'

/**
 * Lets a test move the time that leases, expiry and retention go by: crawler.clock() then is the real one and an offset.
 * The server's own measured offset does not follow; only SQL does.
 */
export async function controlClock(database: TestDatabase): Promise<{ advance: (seconds: number) => Promise<void> }> {
  await database.query(`
    CREATE TABLE crawler.test_clock (ahead interval NOT NULL);
    INSERT INTO crawler.test_clock VALUES ('0');
    CREATE OR REPLACE FUNCTION crawler.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS 'SELECT clock_timestamp() + ahead FROM crawler.test_clock';
    -- The template of test databases is older: without this the first look of a reaper comes after an outage, and revives
    -- what died meanwhile.
    UPDATE crawler.reaper SET ticked_at = clock_timestamp()`)
  return {
    advance: async (seconds) => {
      // The reaper takes a tick that is over 2.5 s late for an outage, and renews every lease; here time just passes.
      await database.query(
        `WITH moved AS (UPDATE crawler.test_clock SET ahead = ahead + ${seconds} * interval '1 second' RETURNING ahead)
         UPDATE crawler.reaper SET ticked_at = clock_timestamp() + moved.ahead FROM moved`,
      )
    },
  }
}
