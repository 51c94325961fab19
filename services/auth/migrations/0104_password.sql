-- Tokens with which people set a new password; one each.
create table password_resets (
    user_id    uuid   primary key references users (id),
    -- SHA-256, base64url: the token itself is nowhere.
    hash       text   not null constraint password_resets_hash_key unique,
    expires_at bigint not null
);

-- Passwords tried for one account since the last right one.
create table guesses (
    -- HMAC of whom they were for, whether there is somebody or not: people type passwords where names belong.
    name      text   primary key,
    count     bigint not null,
    last_at   bigint not null,
    -- No other is looked at before.
    free_at   bigint not null
);

create index guesses_last_at_idx on guesses (last_at);
