-- Everything that Syntra keeps in PostgreSQL (15 or newer), whole and idempotent: `syntra migrate` and every start apply
-- it under a lock. What changes later stands in numbered files beside gateway/stores/schema.py.
--
-- Who is who:
--   syntra_owner   owns the tables and never serves; row-level security is forced, so it sees no row either
--   syntra_app     serves: one organisation at a time, whose id `tenant(org)` sets inside the transaction
--   syntra_door    owns the few functions that must look before the organisation is known; nobody can log in as it
--
-- A table with a column org_id is a tenant's. The loop at the end gives each its policy, so that none can be forgotten,
-- and a test walks the catalogue. Where no organisation is set, current_setting('app.org_id') is an error, not nothing.

do $$
declare
    name text;
begin
    foreach name in array array['syntra_owner', 'syntra_app', 'syntra_door'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I nologin', name);
        end if;
        -- Who is no superuser must belong to a role to give it anything; a superuser needs not, and stays apart.
        if not (select rolsuper from pg_roles where rolname = current_user) and name <> 'syntra_app' then
            execute format('grant %I to current_user', name);
        end if;
    end loop;
end
$$;

create schema if not exists syntra;
alter schema syntra owner to syntra_owner;
grant usage on schema syntra to syntra_app;
grant usage, create on schema syntra to syntra_door; -- create: to become the owner of its functions
set search_path = syntra;
set role syntra_owner;

-- One row: what every gateway on this database must have in common.
create table if not exists installation (
    one boolean primary key default true check (one),
    secret_check bytea not null, -- a digest that only the right SECRET_KEY gives
    created_at timestamptz not null default now()
);

create table if not exists change ( -- the numbered files that have been applied
    number integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
);

create table if not exists organisation (
    id uuid primary key,
    name text not null unique check (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    operator boolean not null default false, -- whose owners may make organisations
    limits jsonb not null default '{}',
    ceiling jsonb not null default '{}', -- the limits that the operator has set; its own go no higher
    created_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table if not exists member ( -- a person in an organisation
    org_id uuid not null references organisation (id),
    id uuid not null,
    email text not null,
    name text not null default '',
    role text not null check (role in ('viewer', 'member', 'admin', 'owner')),
    created_at timestamptz not null default now(),
    primary key (org_id, id),
    unique (org_id, email)
);
create index if not exists member_email on member (lower(email));

create table if not exists api_key ( -- a virtual key, sk-syn-<public>-<secret>; of the secret only a keyed digest
    org_id uuid not null references organisation (id),
    id uuid not null,
    public text not null,
    digest bytea not null,
    name text not null,
    role text not null default 'member' check (role in ('viewer', 'member', 'admin', 'owner')),
    person text not null default '', -- whose memory it speaks from; empty for a key that is shared
    persona boolean not null default true,
    scopes jsonb not null default '{}',
    limits jsonb not null default '{}',
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_on date,
    created_at timestamptz not null default now(),
    primary key (org_id, id),
    unique (org_id, public)
);
alter table api_key add column if not exists memory text not null default 'read-write'
    check (memory in ('off', 'read', 'read-write'));
create index if not exists api_key_public on api_key (public);

create table if not exists provider_key ( -- an organisation's own key for a provider
    org_id uuid not null references organisation (id),
    id uuid not null,
    provider text not null,
    sealed bytea not null, -- XChaCha20-Poly1305; organisation, id and provider are bound to it
    master text not null, -- which of ENCRYPTION_KEY has sealed it
    last4 text not null,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    verified_at timestamptz,
    primary key (org_id, id)
);
create unique index if not exists provider_key_active on provider_key (org_id, provider) where is_active;

create table if not exists ledger ( -- attempts of a request are numbered from 1; its final row is 0, and only it is money
    org_id uuid not null,
    request_id uuid not null, -- the decision's id
    attempt smallint not null,
    at timestamptz not null,
    key_id text not null,
    person text not null default '',
    surface text not null,
    asked text not null, -- the model that the client named
    model text not null default '', -- provider/model
    policy text not null default '',
    intent text not null default '',
    status text not null, -- answered, cut, left, or the kind of the error
    input_tokens bigint not null default 0,
    cached_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    reasoning_tokens bigint not null default 0,
    cost bigint, -- picodollars at the price of that moment; null where no price is known
    estimated boolean not null default false, -- counted here, because the provider did not say
    ttft_ms real,
    duration_ms real not null default 0,
    cache text not null default 'miss', -- or joined, hit: the answer was another request's, and is billed to that
    primary key (org_id, request_id, attempt)
);
alter table ledger add column if not exists cache text not null default 'miss';
create index if not exists ledger_at on ledger (org_id, at);

create table if not exists decision ( -- why a request went where it went; no word of prompt or answer
    org_id uuid not null,
    id uuid not null,
    at timestamptz not null,
    record text not null, -- JSON that is read by its id alone: to parse and to compress it would cost 100 us a request
    primary key (org_id, id)
);
alter table decision alter column record set storage external;
create index if not exists decision_day on decision using brin (at); -- they come in its order, and only leave by it

create table if not exists response ( -- an answer of /v1/responses that its client may go on from, for 30 days
    org_id uuid not null,
    id text not null,
    previous text, -- the response that it goes on from
    at timestamptz not null default now(),
    input json not null, -- the items of its own turn
    output json not null, -- items, with what only a later turn needs
    reply json not null, -- the rest of the response as it was told
    primary key (org_id, id)
);
create index if not exists response_at on response (at);

create table if not exists response_item ( -- which response an item of an output is in: clients name items by id alone
    org_id uuid not null,
    id text not null,
    response_id text not null,
    primary key (org_id, id),
    foreign key (org_id, response_id) references response (org_id, id) on delete cascade
);
create index if not exists response_item_of on response_item (org_id, response_id); -- for the cascade

create table if not exists memory ( -- what a user has said that is worth knowing later; the vectors are made from it
    org_id uuid not null,
    id uuid not null,
    person text not null,
    place bigint not null, -- its place among all that this person has said
    tail bigint not null, -- whether it asks, in which talk and on which day: what ranking must know beside the place
    mark bigint generated always as (place * 4294967296 + tail) stored, -- what its vectors are called
    kind text not null check (kind in ('statement', 'fact')),
    text text not null,
    slot text not null default '', -- what a fact is about, as `name`; the latest of a slot is in force
    thread text not null default '', -- the conversation that it was said in
    at timestamptz not null, -- when it was said
    digest bytea not null, -- of its text: what was said before is not kept twice
    source uuid, -- the memory that it was derived from
    decision uuid, -- the request that it was said in
    superseded_by uuid,
    indexed text not null default '', -- the generation of the vectors that has it
    primary key (org_id, id),
    unique (org_id, person, place)
);
create unique index if not exists memory_once on memory (org_id, person, digest) where superseded_by is null;
create index if not exists memory_source on memory (org_id, source) where source is not null;
create index if not exists memory_indexed on memory (indexed) where superseded_by is null;

create table if not exists memory_gone ( -- forgotten here, and not yet known to be forgotten by the vectors
    org_id uuid not null,
    id uuid not null,
    person text not null,
    mark bigint not null,
    primary key (org_id, id)
);

create table if not exists memory_owed ( -- of which SuperMemory has not heard yet what has become of it
    org_id uuid not null,
    id uuid not null,
    person text not null,
    known boolean not null, -- it may have an earlier state of it
    at timestamptz not null default clock_timestamp(),
    primary key (org_id, id)
);

create table if not exists memory_choice ( -- what a person has chosen for themselves
    org_id uuid not null,
    person text not null,
    mode text not null check (mode in ('off', 'read', 'read-write')),
    primary key (org_id, person)
);

create table if not exists thread ( -- a conversation that is kept for a front end, until it is deleted
    org_id uuid not null,
    id uuid not null,
    owner text not null, -- "user NAME", or "key ID" where the key is shared and names nobody
    title text not null default '',
    metadata jsonb not null default '{}',
    turns integer not null default 0, -- numbers given to questions so far
    summary text not null default '', -- a model's, of what was said up to and with turn `summary_to`
    summary_to integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (org_id, id)
);
create index if not exists thread_owner on thread (org_id, owner, updated_at desc, id desc);

create table if not exists message ( -- of each turn of a thread the question, and the answer when there is one
    org_id uuid not null,
    id uuid not null,
    thread_id uuid not null,
    turn integer not null,
    role text not null check (role in ('user', 'assistant')),
    content json not null, -- a text or parts, as in chat completions
    status text not null default 'complete' check (status in ('complete', 'cut')),
    model text not null default '', -- as it was asked for
    decision text not null default '',
    finish_reason text not null default '',
    usage json,
    created_at timestamptz not null default now(),
    edited_at timestamptz,
    primary key (org_id, id),
    unique (org_id, thread_id, turn, role),
    foreign key (org_id, thread_id) references thread (org_id, id) on delete cascade
);

create table if not exists audit ( -- what was done to keys, people, limits and policies; nobody can change a row
    org_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    actor text not null,
    act text not null,
    subject text not null,
    detail jsonb not null,
    prev bytea not null, -- the hash of the row before
    hash bytea not null,
    primary key (org_id, seq)
);

create table if not exists audit_head ( -- the end of each chain; its row is the chain's lock
    org_id uuid primary key,
    seq bigint not null,
    hash bytea not null
);

-- An audit row as the bytes that are hashed; JSON, so that no field can pass for two.
create or replace function audit_text(link audit) returns text
language sql immutable parallel safe
return jsonb_build_array(
    link.org_id, link.seq, to_char(link.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    link.actor, link.act, link.subject, link.detail
)::text;

create or replace function refuse() returns trigger
language plpgsql as $$
begin
    raise exception 'the audit trail is append-only';
end
$$;
create or replace trigger append_only before update or delete or truncate on audit
    for each statement execute function refuse();

-- The memories of one person, in one question instead of a transaction of four, because an answer waits for them. Who
-- asks has no more rights here than anywhere: the policy on the table holds.
create or replace function memories_told_as_json(org uuid, who text, wanted bigint[]) returns json
language plpgsql as $$
begin
    perform set_config('app.org_id', org::text, true);
    -- One look into the index for each, whatever statistics there are: `any` read all that a new person had said.
    return (
        select json_agg(m) from unnest(wanted) as one(place) cross join lateral (
            select replace(told.id::text, '-', '') as id, told.text, told.at, told.kind, told.thread, told.slot,
                   told.place, told.mark, replace(told.source::text, '-', '') as source
            from syntra.memory told
            where told.person = who and told.place = one.place and told.superseded_by is null offset 0
        ) m
    );
end
$$;

-- Whoever keeps something of an organisation in memory hears within a second that it has changed.
create or replace function tell() returns trigger
language plpgsql as $$
declare
    changed record := coalesce(new, old);
begin
    perform pg_notify('syntra', coalesce(to_jsonb(changed) ->> 'org_id', to_jsonb(changed) ->> 'id'));
    return null;
end
$$;
create or replace trigger tell after insert or delete
    or update of digest, role, person, persona, memory, scopes, limits, expires_at, revoked_at on api_key
    for each row execute function tell();
create or replace trigger tell after insert or update or delete on provider_key
    for each row execute function tell();
create or replace trigger tell after insert or update or delete on member
    for each row execute function tell();
create or replace trigger tell after insert or update or delete on memory_choice
    for each row execute function tell();
create or replace trigger tell after update on organisation
    for each row execute function tell();

-- What must be known before the organisation is: each function sees what it needs and no more.

reset role;
drop function if exists key_with(text); -- what it tells has grown, which `or replace` does not take
create function key_with(wanted text) returns table (
    org_id uuid, organisation text, operator boolean, organisation_limits jsonb, id uuid, digest bytea, role text,
    person text, persona boolean, memory text, scopes jsonb, limits jsonb, expires_at timestamptz
) language sql stable security definer set search_path = syntra, pg_temp as $$
    select k.org_id, o.name, o.operator, o.limits, k.id, k.digest, k.role, k.person, k.persona, k.memory, k.scopes,
           k.limits, k.expires_at
    from api_key k join organisation o on o.id = k.org_id
    where k.public = wanted and k.revoked_at is null and o.deleted_at is null
$$;

create or replace function organisation_named(wanted text) returns table (id uuid, operator boolean, limits jsonb)
language sql stable security definer set search_path = syntra, pg_temp as $$
    select o.id, o.operator, o.limits from organisation o where o.name = wanted and o.deleted_at is null
$$;

create or replace function organisations() returns table (id uuid, name text, operator boolean, created_at timestamptz)
language sql stable security definer set search_path = syntra, pg_temp as $$
    select o.id, o.name, o.operator, o.created_at from organisation o where o.deleted_at is null order by o.name
$$;

-- Of deleted organisations too: their audit trails are still to be verified.
create or replace function chains() returns table (org_id uuid, name text)
language sql stable security definer set search_path = syntra, pg_temp as $$
    select o.id, o.name from organisation o order by o.name
$$;

create or replace function memberships(wanted text) returns table (
    org_id uuid, organisation text, operator boolean, organisation_limits jsonb, id uuid, role text
) language sql stable security definer set search_path = syntra, pg_temp as $$
    select m.org_id, o.name, o.operator, o.limits, m.id, m.role
    from member m join organisation o on o.id = m.org_id
    where lower(m.email) = lower(wanted) and o.deleted_at is null
    order by o.created_at, o.id
$$;

create or replace function masters() returns table (org_id uuid, master text, sealed bigint)
language sql stable security definer set search_path = syntra, pg_temp as $$
    select p.org_id, p.master, count(*) from provider_key p group by p.org_id, p.master
$$;

-- Whose memories the vectors of this generation do not have, or have still although they are forgotten.
create or replace function memory_behind(wanted text) returns table (org_id uuid, person text)
language sql stable security definer set search_path = syntra, pg_temp as $$
    select m.org_id, m.person from memory m -- two ranges of the index, mostly empty; `<>` would read the table
    where (m.indexed < wanted or m.indexed > wanted) and m.superseded_by is null
    union select g.org_id, g.person from memory_gone g
    limit 100
$$;

-- Whose memories SuperMemory has not heard of, the longest first.
create or replace function memory_owing() returns table (org_id uuid, person text)
language sql stable security definer set search_path = syntra, pg_temp as $$
    select o.org_id, o.person from memory_owed o group by o.org_id, o.person order by min(o.at) limit 100
$$;

-- The next link of the chain of the organisation that is set; the lock on its head lets one in at a time.
create or replace function audit_add(actor text, act text, subject text, detail jsonb) returns bigint
language plpgsql security definer set search_path = syntra, pg_temp as $$
declare
    org uuid := current_setting('app.org_id')::uuid;
    head audit_head;
    link audit;
begin
    insert into audit_head values (org, 0, '\x') on conflict do nothing;
    select * into head from audit_head h where h.org_id = org for update;
    link := (org, head.seq + 1, clock_timestamp(), actor, act, subject, detail, head.hash, '\x');
    link.hash := sha256(head.hash || convert_to(audit_text(link), 'UTF8'));
    insert into audit values (link.*);
    update audit_head h set seq = link.seq, hash = link.hash where h.org_id = org;
    return link.seq;
end
$$;

-- Decisions are kept for a week, responses for 30 days.
create or replace function sweep() returns bigint
language sql security definer set search_path = syntra, pg_temp as $$
    with decisions as (delete from decision where at < now() - interval '7 days' returning 1),
    responses as (delete from response where at < now() - interval '30 days' returning 1)
    select (select count(*) from decisions) + (select count(*) from responses)
$$;

do $$
declare
    it record;
begin
    for it in
        select p.oid::regprocedure as signature from pg_proc p
        where p.pronamespace = 'syntra'::regnamespace and p.prosecdef
    loop
        execute format('alter function %s owner to syntra_door', it.signature);
        execute format('revoke all on function %s from public', it.signature);
        execute format('grant execute on function %s to syntra_app', it.signature);
    end loop;
end
$$;
set role syntra_owner;

grant select on organisation, member, provider_key to syntra_door;
grant select on api_key to syntra_door;
grant select, delete on decision, response to syntra_door;
grant select on memory, memory_gone, memory_owed to syntra_door;
grant select, insert on audit to syntra_door;
grant select, insert, update on audit_head to syntra_door;

grant select, insert on installation to syntra_app;
grant select on change to syntra_app;
grant select, insert, update on organisation to syntra_app;
grant select, insert, update, delete on member, api_key, provider_key to syntra_app;
grant select, insert on ledger, decision to syntra_app;
grant select, insert, delete on response to syntra_app;
grant select, insert, update on response_item to syntra_app;
grant select, insert, update, delete on memory, memory_gone, memory_owed, memory_choice to syntra_app;
grant select, insert, update, delete on thread, message to syntra_app;
grant select on audit, audit_head to syntra_app;

-- Every tenant's table has one policy for who serves, and one for the door where a function of its own looks in.
do $$
declare
    it record;
    ours text;
begin
    for it in
        select c.relname as name,
               case when c.relname = 'organisation' then 'id' else 'org_id' end as tenant,
               has_table_privilege('syntra_door', c.oid, 'select') as door
        from pg_class c
        where c.relnamespace = 'syntra'::regnamespace and c.relkind in ('r', 'p')
          and (c.relname = 'organisation' or exists (
              select from pg_attribute a where a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped))
    loop
        ours := format('%I = current_setting(''app.org_id'')::uuid', it.tenant);
        execute format('alter table %I enable row level security, force row level security', it.name);
        execute format('drop policy if exists tenant on %I', it.name);
        execute format('create policy tenant on %I to syntra_app using (%s) with check (%s)', it.name, ours, ours);
        execute format('drop policy if exists door on %I', it.name);
        if it.name in ('audit', 'audit_head') then
            execute format('create policy door on %I to syntra_door using (%s) with check (%s)', it.name, ours, ours);
        elsif it.door then
            execute format('create policy door on %I for select to syntra_door using (true)', it.name);
        end if;
    end loop;
end
$$;
drop policy if exists sweep on decision;
create policy sweep on decision for delete to syntra_door using (at < now() - interval '7 days');
drop policy if exists sweep on response;
create policy sweep on response for delete to syntra_door using (at < now() - interval '30 days');

reset role;
