-- Values of one series that lie next to each other in time, packed. Chunks of a series never overlap. The row begins with
-- its summary, so that a summary is read without the data.
create table chunks (
    series_id        bigint not null references series (series_id),
    first_at         bigint not null,
    last_at          bigint not null,
    count            bigint not null,
    min              double precision not null,
    max              double precision not null,
    sum              double precision not null,
    last             double precision not null,
    -- Of the values' arrivals, the first and the last.
    first_arrived_at bigint not null,
    last_arrived_at  bigint not null,
    data             bytea  not null,
    constraint chunks_series_id_first_at_key unique (series_id, first_at)
);

-- Numbers that are packed already don't get smaller.
alter table chunks alter column data set storage external;

-- Up to where everything in the journal lies in chunks. What is there now lies in samples, which are packed at the next
-- start.
alter table journal_end add column sealed bigint not null default 0;

update journal_end
set sealed = greatest(through, coalesce((select max(sequence) from journal), 0));
