-- What a service makes once and keeps to itself, such as the key that its page tokens are sealed with.
create table secrets (
    name  text primary key,
    value blob not null
);
