-- Threads were there before their summaries.
alter table thread add column if not exists summary text not null default '';
alter table thread add column if not exists summary_to integer not null default 0;
