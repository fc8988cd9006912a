// PostGraphile over views that give the tables the API's names. PostgreSQL formats the times, as PostGraphile has it do
// anyway.
import { createServer } from 'node:http'
import pg from 'pg'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'

// PostGraphile requires Node 22. On Node 20 it lacks only this.
Promise.withResolvers ??= () => {
  let settle
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }))
  return { promise, ...settle }
}

const iso = (column) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
await client.query(`
  DROP SCHEMA IF EXISTS bench_api CASCADE;
  CREATE SCHEMA bench_api;
  CREATE VIEW bench_api."user" AS SELECT id AS user_id FROM public."user";
  CREATE VIEW bench_api.checkpoint AS SELECT user_id, stream, last_tweet_id AS last_item_id, ${iso('last_crawled_at')} AS last_crawled_at,
    bookmarks_count, ${iso('updated_at')} AS updated_at FROM crawler.crawl_checkpoint;
  CREATE VIEW bench_api.session AS SELECT session_id, user_id, stream, upper(status) AS status, ${iso('started_at')} AS started_at,
    ${iso('completed_at')} AS completed_at, bookmarks_processed FROM crawler.crawl_session;
  CREATE FUNCTION bench_api.user_sessions(owner bench_api."user") RETURNS SETOF bench_api.session LANGUAGE sql STABLE AS $$
    SELECT s.session_id, s.user_id, s.stream, upper(s.status), ${iso('s.started_at')}, ${iso('s.completed_at')}, s.bookmarks_processed
    FROM crawler.crawl_session s WHERE s.user_id = owner.user_id ORDER BY s.started_at DESC, s.session_id DESC $$;
  COMMENT ON VIEW bench_api."user" IS E'@primaryKey user_id|@fieldName user';
  COMMENT ON VIEW bench_api.checkpoint IS E'@primaryKey user_id,stream|@fieldName checkpoint';
  COMMENT ON VIEW bench_api.session IS E'@primaryKey session_id|@fieldName session
@foreignKey (user_id) references bench_api."user" (user_id)|@fieldName user|@foreignFieldName ownSessions
@foreignKey (user_id, stream) references bench_api.checkpoint (user_id, stream)|@fieldName checkpoint'`)
await client.end()

const serv = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: process.env.DATABASE_URL, schemas: ['bench_api'] })],
  grafserv: { port: 0, graphiql: false, watch: false },
  grafast: { explain: false },
  // PostGraphile's own `user(id: ID!)` and similar fields would take the names.
  disablePlugins: ['NodePlugin', 'NodeAccessorPlugin', 'PgTableNodePlugin', 'PgNodeIdAttributesPlugin'],
}).createServ(grafserv)
const server = createServer()
await serv.addTo(server)
server.listen(0, '127.0.0.1', () => console.log(`serves http://127.0.0.1:${server.address().port}/graphql`))
