-- Who made a token; it is good for as long as they are an admin. Those from before have none, and are void.
alter table password_resets add column created_by uuid;
