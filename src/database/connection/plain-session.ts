import type pg from 'pg'

/**
 * Settings that change how PostgreSQL prints and reads values and names, or how a transaction sees others. Waymark
 * expects PostgreSQL's defaults; a database or a role may have others, by ALTER DATABASE or ALTER ROLE.
 * search_path stays as it is: public."user".id may be of a type (citext) of a schema that only the path names.
 */
export const plainSettings: readonly (readonly [name: string, value: string])[] = [
  ['datestyle', 'ISO, MDY'],
  ['intervalstyle', 'postgres'],
  // Prisma reads each time as UTC, whatever its offset.
  ['timezone', 'UTC'],
  ['bytea_output', 'hex'],
  ['extra_float_digits', '1'],
  ['array_nulls', 'on'],
  ['standard_conforming_strings', 'on'],
  ['quote_all_identifiers', 'off'],
  ['transform_null_equals', 'off'],
  ['default_transaction_isolation', 'read committed'],
  ['default_transaction_deferrable', 'off'],
]

/** Gives a session those settings, for as long as it lasts. */
export async function plainSession(client: pg.ClientBase): Promise<void> {
  await client.query('SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS s (name, value)', [
    plainSettings.map(([name]) => name),
    plainSettings.map(([, value]) => value),
  ])
}
