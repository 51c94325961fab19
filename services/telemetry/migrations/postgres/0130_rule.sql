-- Rules on silence are looked for every second.
create index rules_condition_idx on rules (condition);
