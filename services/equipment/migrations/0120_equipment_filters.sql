-- Equipment of a type or at a place that is in one state, in the order of the list.
create index equipment_type_status_idx on equipment (type, status, id);
create index equipment_location_status_idx on equipment (location, status, id);

-- In the order of the states what is decommissioned comes first, and nobody asked for it.
create index equipment_in_service_status_idx on equipment (status, id) where status <> 'DECOMMISSIONED';
