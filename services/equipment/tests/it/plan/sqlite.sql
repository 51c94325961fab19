-- Some rows of all that is asked for, half of them in service. The engine has no statistics: it plans alike with more.
with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < 13)
insert into equipment (
    id, name, type, model, manufacturer, serial_number, location, parent_id, status, criticality,
    installation_date, criticality_rank, installation_day, notes, attributes, search,
    created_at, updated_at, revision
)
select
    unhex(printf('018e0000000070008000%012x', n)),
    'Machine ' || n, 'type 3', '', '', 'SN ' || n, 'Hall 3',
    case when n <> 7 then unhex('018e0000000070008000000000000007') end,
    case when n % 2 = 0 then 'DOWN' else 'DECOMMISSIONED' end, 'MEDIUM',
    '2020-01-01', 2, '2020-01-01', '', '{}', 'machine ' || n, n, n, 1
from numbers;

-- The history of the seventh.
with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < 9)
insert into status_intervals (id, equipment_id, status, since, until)
select
    unhex(printf('018f0000000070008000%012x', n)), unhex('018e0000000070008000000000000007'),
    'OPERATIONAL', n * 1000000, case when n < 9 then (n + 1) * 1000000 end
from numbers;
