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

-- Some that are found by every filter, to be done and done.
insert into maintenance.tasks (
    id, title, title_lower, description, equipment_id, status, priority, due_date, assignee_id,
    created_by, source, completions, completed_at, completed_by, created_at, updated_at, revision
)
select
    format('018f0000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    'Task ' || n, 'task ' || n, '', '018e0000-0000-7000-8000-000000000007',
    case when is_over then 'COMPLETED' else 'PENDING' end, 'HIGH', '2025-01-01',
    '018d0000-0000-7000-8000-000000000003', 'somebody', 'MANUAL',
    case when is_over then 1 else 0 end,
    case when is_over then (1700000000 + n % 5000) * 1000000::bigint end,
    case when is_over then '018d0000-0000-7000-8000-000000000003' end,
    0, 0, 1
from (select n, n % 2 = 1 as is_over from generate_series(20001, 20014) as numbers (n)) as tasks;

insert into maintenance.maintenance_records (
    id, equipment_id, task_id, completion, technician_id, kind, work_done, started_at, finished_at,
    parts_used, created_at, updated_at, revision
)
select id, equipment_id, id, 1, completed_by, 'CORRECTIVE', '', completed_at - 1, completed_at, '', 0, 0, 1
from maintenance.tasks
where completed_by is not null;

-- One task that was done and talked about often.
insert into maintenance.maintenance_records (
    id, equipment_id, task_id, completion, technician_id, kind, work_done, parts_used,
    created_at, updated_at, revision
)
select
    format('018f0000-0000-7000-9000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    '018e0000-0000-7000-8000-000000000007', '018f0000-0000-7000-8000-00000000012c', n,
    '018d0000-0000-7000-8000-000000000003', 'CORRECTIVE', '', '', 0, 0, 1
from generate_series(2, 8) as numbers (n);

insert into maintenance.comments (id, task_id, author_id, text, created_at)
select id, id, 'somebody', 'Look.', 0
from maintenance.tasks
union all
select
    format('018f0000-0000-7000-9000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    '018f0000-0000-7000-8000-00000000012c', 'somebody', 'Look.', 0
from generate_series(1, 30) as numbers (n);

insert into maintenance.task_events (id, task_id, equipment_id, kind, actor_id, at, detail)
select id, id, equipment_id, 'CREATED', 'somebody', coalesce(completed_at, 0), ''
from maintenance.tasks
union all
select
    format('018f0000-0000-7000-9000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    '018f0000-0000-7000-8000-00000000012c', '018e0000-0000-7000-8000-000000000007', 'UPDATED',
    'somebody', (1700000000 + n) * 1000000::bigint, 'title'
from generate_series(1, 30) as numbers (n);

analyze maintenance.tasks, maintenance.maintenance_records, maintenance.comments, maintenance.task_events;
