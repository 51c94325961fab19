create table users (
    id             uuid   primary key,
    -- As given; the lower-cased twin makes it unique without regard to case, alike on both engines.
    username       text   not null,
    username_lower text   not null constraint users_username_lower_key unique,
    email          text   not null,
    email_lower    text   not null constraint users_email_lower_key unique,
    full_name      text   not null,
    role           text   not null,
    -- A PHC string: algorithm, parameters, salt and hash.
    password_hash  text   not null,
    created_at     bigint not null,
    updated_at     bigint not null,
    revision       bigint not null
);

create index users_role_idx on users (role, username_lower);
