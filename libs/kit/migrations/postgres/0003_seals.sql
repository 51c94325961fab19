-- The keys that seal what clients carry for a service, such as page tokens. Each is made once.
create table seals (
    name  text primary key,
    value bytea not null
);
