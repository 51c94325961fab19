-- Whether the audit trail knows of a password that came too soon, since the last one that was looked at: a flood of them
-- is one line in it.
alter table guesses add column is_throttle_told boolean not null default false;

-- Whether somebody came from an address is asked at every log-in, and takes as long whether there are many sessions or none.
create index sessions_user_id_address_idx on sessions (user_id, address);
