create table sessions (
    id         uuid   primary key,
    user_id    uuid   not null references users (id),
    created_at bigint not null,
    -- When it was last refreshed.
    used_at    bigint not null,
    -- From where it came; empty if that is not known.
    address    text   not null,
    -- Null while it lives. Once set, it stays: a session never comes back.
    ended_at   bigint
);

create index sessions_user_id_idx on sessions (user_id, id);
create index sessions_created_at_idx on sessions (created_at);
create index sessions_ended_at_idx on sessions (ended_at);

-- Every refresh token of a session, the live one and those it descends from. Spent ones are kept as long as the
-- session, because only so is their reuse noticed.
create table refresh_tokens (
    -- SHA-256, base64url: the token itself is nowhere.
    hash       text   primary key,
    session_id uuid   not null references sessions (id) on delete cascade,
    issued_at  bigint not null,
    spent_at   bigint
);

create index refresh_tokens_session_id_idx on refresh_tokens (session_id);
