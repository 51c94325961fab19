create table rules (
    id             uuid    primary key,
    name           text    not null,
    equipment_id   uuid,
    equipment_type text,
    metric         text    not null,
    condition      text    not null,
    threshold      real not null,
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

create index rules_metric_idx on rules (metric);
