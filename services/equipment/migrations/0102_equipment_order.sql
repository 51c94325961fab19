-- What lists can be ordered by, in both directions.
create index equipment_name_idx on equipment (name, id);
create index equipment_criticality_idx
    on equipment ((case criticality when 'LOW' then 1 when 'MEDIUM' then 2 else 3 end), id);
create index equipment_installation_date_idx on equipment ((coalesce(installation_date, '')), id);
create index equipment_created_at_idx on equipment (created_at, id);
create index equipment_updated_at_idx on equipment (updated_at, id);

-- What is in service is listed without a look at what is not, which piles up at the beginning.
create index equipment_in_service_idx on equipment (id) where status <> 'DECOMMISSIONED';
