import pg from 'pg'

/** One statement, or several without parameters. */
export async function ask(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

/** As after its first opening, which takes longer. */
export function emptied(url: string): Promise<void> {
  return ask(
    url,
    `set session_replication_role = replica;
     do $$ declare name text; begin
       for name in select tablename from pg_tables
         where schemaname = 'public' and tablename not in ('kysely_migration', 'meta', 'call_count') loop
         execute format('delete from %I', name);
       end loop;
       for name in select sequencename from pg_sequences where schemaname = 'public' loop
         execute format('alter sequence %I restart', name);
       end loop; end $$;
     delete from meta where key not in ('store_id', 'schema_version');
     update call_count set calls = 0;
     insert into account (id) values (1)`,
  )
}
