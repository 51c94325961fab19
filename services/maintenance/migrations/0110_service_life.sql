-- Work on a piece of equipment by when it was done.
create index maintenance_records_equipment_id_done_at_idx
    on maintenance_records (equipment_id, (coalesce(finished_at, started_at, created_at)), id);

-- What is still to be done on it.
create index tasks_open_idx on tasks (equipment_id) where status in ('PENDING', 'IN_PROGRESS', 'ON_HOLD');
