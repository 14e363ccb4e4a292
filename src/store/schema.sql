-- 1: the log is the truth; story and task are projections of it, written in the same transaction.
create table event (
  seq      integer primary key autoincrement,
  at       text not null,
  story_id text not null,
  task_id  text,
  kind     text not null,
  body     text not null check (json_valid(body))
) strict;
create index event_story on event (story_id, seq);

create table story (
  id         text primary key,
  short      text not null,
  repository text not null,
  status     text not null,
  created_at text not null,
  updated_at text not null,
  body       text not null check (json_valid(body))
) strict, without rowid;
create index story_created on story (created_at);

create table task (
  story_id text not null references story (id) on delete cascade,
  place    integer not null,
  body     text not null check (json_valid(body)),
  primary key (story_id, place)
) strict, without rowid;
