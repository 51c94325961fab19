create table equipment (
    id                uuid   primary key,
    name              text   not null,
    type              text   not null,
    model             text   not null,
    manufacturer      text   not null,
    -- Null when not given: a number is unique, its absence is not.
    serial_number     text   constraint equipment_serial_number_key unique,
    location          text   not null,
    parent_id         uuid   references equipment (id),
    status            text   not null,
    criticality       text   not null,
    installation_date text,
    notes             text   not null,
    -- A JSON object of strings.
    attributes        text   not null,
    -- Name, serial number, model and location without case, a line each, which are searched: the engines would lower them
    -- by rules of their own.
    search            text   not null,
    created_at        bigint not null,
    updated_at        bigint not null,
    revision          bigint not null
);

create index equipment_type_idx on equipment (type, id);
create index equipment_status_idx on equipment (status, id);
create index equipment_location_idx on equipment (location, id);
create index equipment_parent_id_idx on equipment (parent_id, id);
