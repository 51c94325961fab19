-- Tasks of four years. What a row has of one thing says nothing of what it has of another: the moduli have no divisor in common.
insert into maintenance.tasks (
    id, title, title_lower, description, equipment_id, status, priority, due_date, assignee_id,
    created_by, source, completions, completed_at, completed_by, created_at, updated_at, revision
)
select
    format('018f0000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    'Task ' || n, 'task ' || n, '',
    format('018e0000-0000-7000-8000-%s', lpad(to_hex(n % 499), 12, '0'))::uuid,
    case when is_over and n % 101 = 3 then 'CANCELLED' when is_over then 'COMPLETED'
         when n % 3 = 0 then 'PENDING' when n % 3 = 1 then 'IN_PROGRESS' else 'ON_HOLD' end,
    (array['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'])[1 + n % 53 % 4],
    case when n % 2 = 0 then to_char(date '2026-02-01' - n % 701, 'YYYY-MM-DD') end,
    format('018d0000-0000-7000-8000-%s', lpad(to_hex(n % 23), 12, '0')),
    'somebody', 'MANUAL',
    case when is_over then 1 else 0 end,
    case when is_over and n % 101 <> 3 then (1700000000 + n) * 1000000::bigint end,
    case when is_over and n % 101 <> 3 then format('018d0000-0000-7000-8000-%s', lpad(to_hex(n % 23), 12, '0')) end,
    0, 0, 1
from (select n, n % 101 < 85 as is_over from generate_series(1, 20000) as numbers (n)) as tasks;

insert into maintenance.maintenance_records (
    id, equipment_id, task_id, completion, technician_id, kind, work_done, parts_used,
    created_at, updated_at, revision
)
select id, equipment_id, id, 1, completed_by, 'CORRECTIVE', '', '', 0, 0, 1
from maintenance.tasks
where completed_by is not null;

analyze maintenance.tasks, maintenance.maintenance_records;
