-- Whether a rule that is newer than what is sealed has seen anything of a series.
create index chunks_series_id_last_arrived_at_idx on chunks (series_id, last_arrived_at);
