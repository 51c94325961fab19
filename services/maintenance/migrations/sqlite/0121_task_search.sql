-- Which titles have three characters in a row, so that a search looks at few of a million. The index names a task by a number,
-- because the engine may give its rows other numbers than they had.
create table task_titles (
    number integer primary key,
    id     uuid    not null constraint task_titles_id_key unique
);

-- Titles are kept without case already; the texts themselves stay in their table alone.
create virtual table task_search using fts5 (
    title,
    content = '',
    contentless_delete = 1,
    detail = none,
    tokenize = 'trigram case_sensitive 1'
);

insert into task_titles (id)
select id from tasks order by id;

insert into task_search (rowid, title)
select number, title_lower
from task_titles
join tasks on tasks.id = task_titles.id;

-- The index follows the tasks in the transaction that writes them.
create trigger tasks_search_insert after insert on tasks
begin
    insert into task_titles (id) values (new.id);
    insert into task_search (rowid, title)
    select number, new.title_lower from task_titles where id = new.id;
end;

create trigger tasks_search_update after update of title_lower on tasks
when new.title_lower <> old.title_lower
begin
    update task_search
    set title = new.title_lower
    where rowid = (select number from task_titles where id = new.id);
end;

create trigger tasks_search_delete after delete on tasks
begin
    delete from task_search where rowid = (select number from task_titles where id = old.id);
    delete from task_titles where id = old.id;
end;
