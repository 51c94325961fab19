create table comments (
    id         uuid   primary key,
    task_id    uuid   not null constraint comments_task_id_fkey references tasks (id),
    author_id  text   not null,
    text       text   not null,
    created_at bigint not null
);

create index comments_task_id_idx on comments (task_id, id);
