-- What a row has of one thing says nothing of what it has of another: the moduli have no divisor in common.
insert into equipment.equipment (
    id, name, type, model, manufacturer, serial_number, location, parent_id, status, criticality,
    installation_date, notes, attributes, search, created_at, updated_at, revision
)
select
    format('018e0000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0'))::uuid,
    'Machine ' || n * 7919 % 20011, 'type ' || n % 37, '', '', 'SN ' || n, 'Hall ' || n % 53,
    case when n > 499 then format('018e0000-0000-7000-8000-%s', lpad(to_hex(n % 499), 12, '0'))::uuid end,
    (array['OPERATIONAL', 'DEGRADED', 'DOWN', 'STANDBY', 'DECOMMISSIONED'])[1 + n % 101 % 5],
    (array['LOW', 'MEDIUM', 'HIGH'])[1 + n % 3],
    case when n % 2 = 0 then to_char(date '2020-01-01' + n % 1009, 'YYYY-MM-DD') end,
    '', '{}', 'machine ' || n, n, n * 31 % 20011, 1
from generate_series(0, 19999) as numbers (n);

analyze equipment.equipment;
