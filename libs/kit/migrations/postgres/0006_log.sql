-- What sets this change log apart from all others. A copy of the data has a log of its own, so a resume token says which it is of.
create table log (
    id  integer primary key check (id = 1),
    era bigint  not null
);

insert into log (id, era) values (1, (random() * 4611686018427387904)::bigint);
