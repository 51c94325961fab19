-- What a row has of one thing says nothing of what it has of another: the moduli have no divisor in common.
insert into equipment.equipment (
    id, name, type, model, manufacturer, serial_number, location, parent_id, status, criticality,
    installation_date, criticality_rank, installation_day, notes, attributes, search,
    created_at, updated_at, revision
)
select
    format('018e0000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    'Machine ' || n * 7919 % 20011, 'type ' || n % 37, '', '', 'SN ' || n, 'Hall ' || n % 53,
    case when n > 499 then format('018e0000-0000-7000-8000-%s', lpad(to_hex(n % 499), 12, '0'))::uuid end,
    (array['OPERATIONAL', 'DEGRADED', 'DOWN', 'STANDBY', 'DECOMMISSIONED'])[1 + n % 101 % 5],
    (array['LOW', 'MEDIUM', 'HIGH'])[1 + n % 3],
    case when n % 2 = 0 then to_char(date '2020-01-01' + n % 1009, 'YYYY-MM-DD') end,
    1 + n % 3, case when n % 2 = 0 then to_char(date '2020-01-01' + n % 1009, 'YYYY-MM-DD') else '' end,
    '', '{}', 'machine ' || n, n, n * 31 % 20011, 1
from generate_series(0, 19999) as numbers (n);

-- Some of what there would be little of: parts of the seventh of the type and at the place that are asked for.
insert into equipment.equipment (
    id, name, type, model, manufacturer, serial_number, location, parent_id, status, criticality,
    installation_date, criticality_rank, installation_day, notes, attributes, search,
    created_at, updated_at, revision
)
select
    format('018e0000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    'Machine ' || n, case when n % 2 = 0 then 'type 3' else 'type 4' end, '', '', 'SN ' || n,
    case when n % 2 = 0 then 'Hall 4' else 'Hall 3' end, '018e0000-0000-7000-8000-000000000007',
    'DOWN', 'MEDIUM', '2020-01-01', 2, '2020-01-01', '', '{}', 'machine ' || n, n, n, 1
from generate_series(20000, 20006) as numbers (n);

-- One state of each, and a long history of the seventh: half of all there is.
insert into equipment.status_intervals (id, equipment_id, status, since)
select id, id, status, created_at
from equipment.equipment
where serial_number <> 'SN 7';

insert into equipment.status_intervals (id, equipment_id, status, since, until)
select
    format('018f0000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    '018e0000-0000-7000-8000-000000000007', 'OPERATIONAL',
    n * 1000000::bigint, case when n < 19999 then (n + 1) * 1000000::bigint end
from generate_series(0, 19999) as numbers (n);

analyze equipment.equipment, equipment.status_intervals;
