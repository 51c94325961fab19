-- Which titles have three characters in a row, so that a search looks at few of a million. The extension comes with PostgreSQL
-- (in some systems by the package postgresql-contrib) and is a trusted one: the owner of the database may create it. Where an
-- admin has, it may be in any schema.
do $$
declare place text;
begin
    if not exists (select 1 from pg_extension where extname = 'pg_trgm') then
        if exists (select 1 from pg_namespace where nspname = 'public') then
            create extension pg_trgm schema public;
        else
            create extension pg_trgm;
        end if;
    end if;
    select nspname into place
    from pg_extension
    join pg_namespace on pg_namespace.oid = extnamespace
    where extname = 'pg_trgm';
    execute format(
        'create index tasks_title_lower_trigram_idx on tasks using gin (title_lower %I.gin_trgm_ops)',
        place
    );
end $$;
