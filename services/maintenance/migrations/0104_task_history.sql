-- The history of completed tasks, newest first: all of it, a person's, a piece of equipment's.
create index tasks_completed_at_idx on tasks (completed_at, id);
create index tasks_completed_by_idx on tasks (completed_by, completed_at, id);
create index tasks_equipment_id_completed_at_idx on tasks (equipment_id, completed_at, id);
