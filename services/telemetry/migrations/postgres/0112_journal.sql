-- What became durable, transaction by transaction, in this order: writers take turns.
create table journal (
    sequence   bigint generated always as identity primary key,
    written_at bigint not null,
    data       bytea  not null
);

-- Numbers that are packed already don't get smaller.
alter table journal alter column data set storage external;

-- One row: up to where the journal was dropped.
create table journal_end (
    id      integer primary key check (id = 1),
    through bigint  not null
);

insert into journal_end (id, through) values (1, 0);
