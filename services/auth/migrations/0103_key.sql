-- Keys that machines hold. Deleted ones stay, so that what they did can be told.
create table keys (
    id          uuid   primary key,
    name        text   not null,
    -- SHA-256 of the secret, base64url: the secret itself is nowhere.
    hash        text   not null constraint keys_hash_key unique,
    created_by  text   not null,
    created_at  bigint not null,
    -- Null: never.
    expires_at  bigint,
    deleted_at  bigint
);

create index keys_deleted_at_idx on keys (deleted_at);

-- What each key is bound to.
create table key_equipment (
    key_id       uuid not null references keys (id),
    equipment_id uuid not null,
    primary key (key_id, equipment_id)
);
