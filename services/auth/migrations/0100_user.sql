create table users (
    id                uuid   primary key,
    -- As given; the lower-cased twin makes it unique without regard to case, alike on both engines.
    username          text   not null,
    username_lower    text   not null constraint users_username_lower_key unique,
    email             text   not null,
    email_lower       text   not null constraint users_email_lower_key unique,
    full_name         text   not null,
    -- What a search compares with.
    full_name_lower   text   not null,
    role              text   not null,
    -- A PHC string: algorithm, parameters, salt and hash.
    password_hash     text   not null,
    -- Counts the passwords that were chosen; a stronger hash of the same one counts nothing.
    password_revision bigint not null,
    created_at        bigint not null,
    updated_at        bigint not null,
    revision          bigint not null,
    -- Null while they are there. Who is gone keeps a row, so that history keeps the name.
    deleted_at        bigint
);

create index users_role_idx on users (role, username_lower);
create index users_updated_at_idx on users (updated_at);
