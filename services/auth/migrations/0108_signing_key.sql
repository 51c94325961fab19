-- When it began, or will begin, to sign; the next one is published long before.
alter table signing_keys add column active_from bigint not null default 0;

update signing_keys set active_from = created_at;
