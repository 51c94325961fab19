create table series (
    series_id    bigint generated always as identity primary key,
    equipment_id uuid not null,
    metric       text not null,
    constraint series_equipment_id_metric_key unique (equipment_id, metric)
);

create table samples (
    series_id  bigint not null references series (series_id),
    at         bigint not null,
    value      double precision not null,
    -- A rule sees only what arrived after it was made.
    arrived_at bigint not null,
    primary key (series_id, at)
);
