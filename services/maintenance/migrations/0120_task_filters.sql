-- What tasks and records are filtered by, alone and together, each in the order of its list (docs/decisions/006). Old tasks
-- pile up completed: what is still to do has indexes without them.
create index tasks_priority_idx on tasks (priority, id);
create index tasks_status_priority_idx on tasks (status, priority, id);
create index tasks_assignee_id_status_idx on tasks (assignee_id, status, id);

create index tasks_status_due_date_idx on tasks (status, due_date, id);
create index tasks_assignee_id_due_date_idx on tasks (assignee_id, due_date, id);
create index tasks_equipment_id_due_date_idx on tasks (equipment_id, due_date, id);

create index tasks_open_due_date_idx on tasks (due_date, id)
    where status <> 'COMPLETED' and status <> 'CANCELLED';
create index tasks_open_assignee_id_due_date_idx on tasks (assignee_id, due_date, id)
    where status <> 'COMPLETED' and status <> 'CANCELLED';

create index maintenance_records_task_id_idx on maintenance_records (task_id, id);
