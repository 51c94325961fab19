-- What access tokens are signed with; all replicas share it.
create table signing_keys (
    id          uuid   primary key,
    -- PKCS#8, base64url.
    private     text   not null,
    -- The Ed25519 point, base64url: `x` of the JSON Web Key.
    public      text   not null,
    created_at  bigint not null,
    -- When it began, or will begin, to sign; the next one is published long before.
    active_from bigint not null
);

-- Other secrets that replicas share, base64url.
create table secrets (
    name  text primary key,
    value text not null
);
