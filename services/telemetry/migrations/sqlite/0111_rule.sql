-- Not every condition has a threshold. SQLite drops no constraint, so the table is made anew.
create table rules_new (
    id             uuid    primary key,
    name           text    not null,
    equipment_id   uuid,
    equipment_type text,
    metric         text    not null,
    condition      text    not null,
    threshold      real,
    deadband       real not null,
    -- Microseconds.
    on_delay       bigint  not null,
    off_delay      bigint  not null,
    severity       text    not null,
    open_task      boolean not null,
    enabled        boolean not null,
    guidance       text    not null,
    created_at     bigint  not null,
    updated_at     bigint  not null,
    revision       bigint  not null,
    constraint rules_target_check check ((equipment_id is null) <> (equipment_type is null))
);

insert into rules_new
select id, name, equipment_id, equipment_type, metric, condition, threshold, deadband, on_delay,
       off_delay, severity, open_task, enabled, guidance, created_at, updated_at, revision
from rules;

drop table rules;
alter table rules_new rename to rules;

create index rules_metric_idx on rules (metric);
