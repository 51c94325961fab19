-- Who did what to whom; written with the deed, never changed.
create table audit_events (
    id       uuid   primary key,
    at       bigint not null,
    -- A user's id, `service:<name>`, `command`, or empty for nobody.
    actor    text   not null,
    kind     text   not null,
    -- `user/<id>`, `session/<id>`, `key/<id>`.
    resource text   not null,
    address  text   not null,
    -- A JSON object of strings.
    details  text   not null
);

create index audit_events_at_idx on audit_events (at, id);
create index audit_events_actor_idx on audit_events (actor, at, id);
create index audit_events_kind_idx on audit_events (kind, at, id);
create index audit_events_resource_idx on audit_events (resource, at, id);
