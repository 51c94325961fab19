-- Null while they are there. Who is gone keeps a row, so that history keeps the name.
alter table users add column deleted_at bigint;
-- What a search compares with, beside the twins of username and e-mail address.
alter table users add column full_name_lower text not null default '';
-- Counts the passwords that were chosen; a stronger hash of the same one counts nothing.
alter table users add column password_revision bigint not null default 1;

update users set full_name_lower = lower(full_name);

create index users_updated_at_idx on users (updated_at);
