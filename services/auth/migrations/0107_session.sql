-- From which network it was begun; empty if that is not known. Whether somebody came from one is asked at every log-in, and takes
-- as long whether there are many sessions or none.
alter table sessions add column network text not null default '';

drop index sessions_user_id_address_idx;

create index sessions_user_id_network_idx on sessions (user_id, network);
