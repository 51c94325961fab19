create table changes (
    sequence   integer primary key autoincrement,
    kind       text    not null,
    id         uuid    not null,
    payload    blob    not null,
    created_at bigint  not null
);

create index changes_created_at_idx on changes (created_at);

create table cursors (
    name           text   primary key,
    transaction_id bigint not null,
    sequence       bigint not null
);
