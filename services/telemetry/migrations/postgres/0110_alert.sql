-- The alerts of a deleted rule stay.
alter table alerts drop constraint alerts_rule_id_fkey;

-- Not every alert has a value.
alter table alerts alter column value drop not null;
alter table alerts alter column threshold drop not null;

-- When the rule that raised it last changed before.
alter table alerts add column judged_since bigint;
update alerts set judged_since = (select updated_at from rules where rules.id = alerts.rule_id);
