-- The first answers to requests that carried an idempotency key.
create table answers (
    caller      text   not null,
    method      text   not null,
    request_id  text   not null,
    fingerprint blob not null,
    answer      blob,
    created_at  bigint not null,
    primary key (caller, method, request_id)
);

create index answers_created_at_idx on answers (created_at);
