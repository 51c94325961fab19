-- What became durable, transaction by transaction, in this order.
create table journal (
    sequence   integer primary key autoincrement,
    written_at bigint  not null,
    data       blob    not null
);

-- One row: up to where the journal was dropped.
create table journal_end (
    id      integer primary key check (id = 1),
    through bigint  not null
);

insert into journal_end (id, through) values (1, 0);
