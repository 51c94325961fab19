-- The alerts of a deleted rule stay; not every alert has a value. SQLite drops no constraint, so the table is made anew.
create table alerts_new (
    id              uuid    primary key,
    equipment_id    uuid    not null,
    rule_id         uuid,
    metric          text    not null,
    severity        text    not null,
    message         text    not null,
    value           real,
    threshold       real,
    raised_at       bigint  not null,
    cleared_at      bigint,
    acknowledged_at bigint,
    acknowledged_by text,
    comment         text    not null,
    task_id         text,
    -- Whether a task was asked for: once in an alert's life.
    task_requested  boolean not null,
    -- When the rule that raised it last changed before.
    judged_since    bigint,
    revision        bigint  not null
);

insert into alerts_new
select alerts.id, alerts.equipment_id, rule_id, alerts.metric, alerts.severity, message, value,
       alerts.threshold, raised_at, cleared_at, acknowledged_at, acknowledged_by, comment, task_id,
       task_requested, rules.updated_at, alerts.revision
from alerts
left join rules on rules.id = alerts.rule_id;

drop table alerts;
alter table alerts_new rename to alerts;

-- One open alert per rule and equipment.
create unique index alerts_open_key on alerts (rule_id, equipment_id) where cleared_at is null;
create index alerts_rule_id_idx on alerts (rule_id, equipment_id, raised_at);
create index alerts_raised_at_idx on alerts (raised_at, id);
create index alerts_equipment_id_idx on alerts (equipment_id, raised_at, id);
create index alerts_severity_idx on alerts (severity, raised_at, id);
