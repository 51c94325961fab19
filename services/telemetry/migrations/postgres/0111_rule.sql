-- Not every condition has a threshold.
alter table rules alter column threshold drop not null;
