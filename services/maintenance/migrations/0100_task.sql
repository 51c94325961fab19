create table tasks (
    id           uuid   primary key,
    title        text   not null,
    -- Its twin without case, which is searched: the engines would lower it by rules of their own.
    title_lower  text   not null,
    description  text   not null,
    equipment_id uuid,
    status       text   not null,
    priority     text   not null,
    due_date     text,
    assignee_id  text,
    created_by   text   not null,
    source       text   not null,
    -- One task an alert, for ever: whoever asks for it again is answered the first.
    alert_id     uuid   constraint tasks_alert_id_key unique,
    -- How often it was completed: work that is taken up again may be completed again.
    completions  bigint not null,
    completed_at bigint,
    completed_by text,
    created_at   bigint not null,
    updated_at   bigint not null,
    revision     bigint not null
);

create index tasks_status_idx on tasks (status, id);
create index tasks_equipment_id_idx on tasks (equipment_id, id);
create index tasks_due_date_idx on tasks (due_date, id);
create index tasks_assignee_id_idx on tasks (assignee_id, id);
