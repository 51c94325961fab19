create table task_events (
    id           uuid   primary key,
    task_id      uuid   not null constraint task_events_task_id_fkey references tasks (id),
    -- What the task was for at that time.
    equipment_id uuid,
    kind         text   not null,
    actor_id     text   not null,
    at           bigint not null,
    detail       text   not null
);

create index task_events_task_id_idx on task_events (task_id, id);
create index task_events_equipment_id_idx on task_events (equipment_id, at, id);
