-- When it was last refreshed, and from where it came, if that is known.
alter table sessions add column used_at bigint not null default 0;
alter table sessions add column address text not null default '';

update sessions set used_at = created_at;

create index sessions_ended_at_idx on sessions (ended_at);
