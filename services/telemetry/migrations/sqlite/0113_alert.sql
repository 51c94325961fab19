-- Who made it by hand.
alter table alerts add column created_by text;
-- Who cleared it by hand, and the last reading that there was by then.
alter table alerts add column cleared_by text;
alter table alerts add column cleared_after bigint;
-- How often the rule has raised on the equipment, this time included.
alter table alerts add column occurrences bigint not null default 1;

update alerts
set occurrences = (select count(*)
                   from alerts as earlier
                   where earlier.rule_id = alerts.rule_id
                     and earlier.equipment_id = alerts.equipment_id
                     and earlier.raised_at <= alerts.raised_at)
where rule_id is not null;
