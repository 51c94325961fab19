create table status_intervals (
    id           uuid   primary key,
    equipment_id uuid   not null constraint status_intervals_equipment_id_fkey references equipment (id),
    status       text   not null,
    since        bigint not null,
    -- Null while it lasts.
    until        bigint,
    -- Null where nobody knows any more.
    changed_by   text
);

create index status_intervals_equipment_id_idx on status_intervals (equipment_id, since, id);

-- Equipment is in one state at a time.
create unique index status_intervals_open_key on status_intervals (equipment_id) where until is null;

-- What is registered already has been as it is, as far as anybody knows. An id of its own would be made in two ways.
insert into status_intervals (id, equipment_id, status, since)
select id, id, status, created_at
from equipment;
