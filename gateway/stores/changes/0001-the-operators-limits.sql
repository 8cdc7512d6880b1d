-- Nobody knows who has set the limits that are there. They are taken for the operator's: an update lifts nothing.
alter table organisation add column if not exists ceiling jsonb not null default '{}';
alter table organisation no force row level security; -- whoever changes the tables sees no row otherwise
update organisation set ceiling = limits where ceiling = '{}' and limits <> '{}';
alter table organisation force row level security;
