create table alerts (
    id              uuid    primary key,
    equipment_id    uuid    not null,
    rule_id         uuid    references rules (id),
    metric          text    not null,
    severity        text    not null,
    message         text    not null,
    value           real not null,
    threshold       real not null,
    raised_at       bigint  not null,
    cleared_at      bigint,
    acknowledged_at bigint,
    acknowledged_by text,
    comment         text    not null,
    task_id         text,
    -- Whether a task was asked for: once in an alert's life.
    task_requested  boolean not null,
    revision        bigint  not null
);

-- One open alert per rule and equipment, whatever the number of replicas.
create unique index alerts_open_key on alerts (rule_id, equipment_id) where cleared_at is null;
create index alerts_rule_id_idx on alerts (rule_id, equipment_id, raised_at);
create index alerts_raised_at_idx on alerts (raised_at, id);
create index alerts_equipment_id_idx on alerts (equipment_id, raised_at, id);
create index alerts_severity_idx on alerts (severity, raised_at, id);
