-- Some tasks that are found by every filter, to be done and done. The engine has no statistics: it plans alike with more.
with recursive numbers (n) as (select 295 union all select n + 1 from numbers where n < 310)
insert into tasks (
    id, title, title_lower, description, equipment_id, status, priority, due_date, assignee_id,
    created_by, source, completions, completed_at, completed_by, created_at, updated_at, revision
)
select
    unhex(printf('018f0000000070008000%012x', n)),
    'Task ' || n, 'task ' || n, '', unhex('018e0000000070008000000000000007'),
    iif(n % 2 = 0, 'COMPLETED', 'PENDING'), 'HIGH', '2025-01-01',
    '018d0000-0000-7000-8000-000000000003', 'somebody', 'MANUAL', iif(n % 2 = 0, 1, 0),
    iif(n % 2 = 0, (1700000000 + n) * 1000000, null),
    iif(n % 2 = 0, '018d0000-0000-7000-8000-000000000003', null), 0, 0, 1
from numbers;

insert into maintenance_records (
    id, equipment_id, task_id, completion, technician_id, kind, work_done, started_at, finished_at,
    parts_used, created_at, updated_at, revision
)
select id, equipment_id, id, 1, completed_by, 'CORRECTIVE', '', completed_at - 1, completed_at, '', 0, 0, 1
from tasks
where completed_by is not null;

-- One task that was done and talked about often.
with recursive numbers (n) as (select 2 union all select n + 1 from numbers where n < 8)
insert into maintenance_records (
    id, equipment_id, task_id, completion, technician_id, kind, work_done, parts_used,
    created_at, updated_at, revision
)
select
    unhex(printf('018f0000000070009000%012x', n)), unhex('018e0000000070008000000000000007'),
    unhex('018f000000007000800000000000012c'), n, '018d0000-0000-7000-8000-000000000003',
    'CORRECTIVE', '', '', 0, 0, 1
from numbers;

insert into comments (id, task_id, author_id, text, created_at)
select id, task_id, 'somebody', 'Look.', 0
from maintenance_records
where task_id = unhex('018f000000007000800000000000012c');

insert into task_events (id, task_id, equipment_id, kind, actor_id, at, detail)
select id, task_id, equipment_id, 'UPDATED', 'somebody', 0, 'title'
from maintenance_records
where task_id = unhex('018f000000007000800000000000012c');
