create table maintenance_records (
    id            uuid   primary key,
    equipment_id  uuid   not null,
    task_id       uuid   constraint maintenance_records_task_id_fkey references tasks (id),
    -- Which completion of the task it records. One record each: a task that is reopened may get another.
    completion    bigint,
    technician_id text   not null,
    kind          text   not null,
    work_done     text   not null,
    started_at    bigint,
    finished_at   bigint,
    parts_used    text   not null,
    created_at    bigint not null,
    updated_at    bigint not null,
    revision      bigint not null,
    constraint maintenance_records_task_id_completion_key unique (task_id, completion)
);

create index maintenance_records_equipment_id_idx on maintenance_records (equipment_id, id);
create index maintenance_records_technician_id_idx on maintenance_records (technician_id, id);
