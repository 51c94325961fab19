-- Null while they are there. Who is gone keeps a row, so that history keeps the name.
alter table users add column deleted_at bigint;

create index users_updated_at_idx on users (updated_at);
