create table changes (
    sequence       bigint generated always as identity,
    -- The writing transaction: a reader takes only those before the oldest one still running.
    transaction_id bigint not null default (pg_current_xact_id()::text::bigint),
    kind           text   not null,
    id             uuid   not null,
    payload        bytea  not null,
    created_at     bigint not null,
    primary key (transaction_id, sequence)
);

create index changes_created_at_idx on changes (created_at);

create table cursors (
    name           text   primary key,
    transaction_id bigint not null,
    sequence       bigint not null
);
