-- What finds old decisions costs their writing less: see decision_day in schema.sql.
drop index if exists decision_at;
