-- What lists are ordered by is a column: where an index is on an expression, SQLite finds no place in it, and reads all that lies
-- before a page.
alter table equipment add column criticality_rank bigint not null default 2;
alter table equipment add column installation_day text not null default '';

update equipment
set criticality_rank = case criticality when 'LOW' then 1 when 'MEDIUM' then 2 else 3 end,
    installation_day = coalesce(installation_date, '');

drop index equipment_criticality_idx;
drop index equipment_installation_date_idx;
create index equipment_criticality_rank_idx on equipment (criticality_rank, id);
create index equipment_installation_day_idx on equipment (installation_day, id);

-- Equipment of a type at a place: PostgreSQL would walk through thousands to a later page.
create index equipment_type_location_idx on equipment (type, location, id);
