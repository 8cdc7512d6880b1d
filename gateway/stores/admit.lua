-- May a request go? All that it needs is taken, or nothing.
--
-- ARGV request, tokens, nanodollars; ms of a lease, key, whether anything is leased, whether the key has limits, the seven
--      limits of the organisation and those of the key, in the order of core/limits.py; what was spent in the day and the
--      month by the organisation and by the key: numbers, `?` nobody was asked, `-` nobody can say; and of an allowance how
--      many requests it is for, whose tokens and nanodollars are those of all, and how many times that much must be left
-- Back come: verdict, limit, ms to wait, now, epoch, how well each spent is known, 14 used, 4 resets in ms, 2 held in
-- nanodollars.

local WAIT, NEVER, LARGE, SPENT, UNKNOWN = 1, 2, 3, 4, 5 -- why not; the gravest is told
local KNOWN, STALE, NOBODY_SAYS, NOT_ASKED = 0, 1, 2, 3
local SOON = 1000 -- ms; where only requests that run stand in the way

local id, tokens, cost, ttl, key = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local leasing, has_own = ARGV[6] == '1', ARGV[7] == '1'
local requests, times = tonumber(ARGV[26] or 1), tonumber(ARGV[27] or 1)
local verdict, which, wait = 0, 0, 0
local used, resets = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0 }

local function refuse(limit, why, ms)
    if why > verdict or (why == verdict and ms > wait) then
        verdict, which, wait = why, limit, ms
    end
end

-- How well it is known what has been spent; what the ledger says is taken over. It may lag behind, and so may what is
-- here after a loss: the larger is nearer, and soon the ledger is asked once more.
local function know_spent(s, at)
    if not tonumber(ARGV[13 + at]) and not tonumber(ARGV[14 + at]) then
        return KNOWN
    end
    local day, month = ARGV[22 + at / 7 * 2], ARGV[23 + at / 7 * 2]
    if tonumber(day) then
        s.sd, s.sm = math.max(s.sd, tonumber(day)), math.max(s.sm, tonumber(month))
        s.sure, s.seeded = now - HOUR + 15000, true
    elseif s.sure == 0 then
        return day == '-' and NOBODY_SAYS or NOT_ASKED
    elseif s.sure > now or now - s.sure > HOUR then
        s.sure, s.seeded = now - HOUR + 10000, true -- one worker is enough
        return STALE
    end
    return KNOWN
end

-- A limit of any sixty seconds.
local function check_minute(name, s, kind, limit, most, total, newest, asked)
    used[limit] = total
    if total > 0 then
        resets[limit > 7 and (limit - 2) / 2 or (limit + 1) / 2] = (newest + RING) * 1000 - now
    end
    if asked > most then
        return refuse(limit, NEVER, 0)
    elseif total + asked <= most then
        return
    end
    local over, last, fields = total + asked - most, s.wl, {}
    if last > second then
        return refuse(limit, WAIT, (second + RING) * 1000 - now)
    end
    local from = second - RING + 1
    for past = from, last do -- what is in the fields of later seconds has left the window
        fields[#fields + 1] = kind .. past % RING
    end
    for i, there in ipairs(call('HMGET', name, unpack(fields))) do
        over = over - (tonumber(there) or 0)
        if over <= 0 then
            return refuse(limit, WAIT, (from + i - 1 + RING) * 1000 - now)
        end
    end
    refuse(limit, WAIT, RING * 1000)
end

local function check_day(limit, most, asked, here, held)
    used[limit] = here + held
    if asked > most then
        refuse(limit, NEVER, 0)
    elseif here + asked > most then
        refuse(limit, WAIT, (today + 1) * DAY - now)
    elseif here + held + asked > most then
        refuse(limit, WAIT, SOON)
    end
end

-- A budget: `here` is spent, `held` leased. The last cents are for one request alone, however much it may take.
local function check_budget(limit, most, here, held)
    local asked = cost * times
    used[limit] = here
    if here >= most then
        refuse(limit, SPENT, 0)
    elseif asked > most then
        refuse(limit, LARGE, 0)
    elseif here + held + asked > most and (held > 0 or times > 1) then
        refuse(limit, WAIT, SOON)
    end
end

-- All limits of the organisation, or (`at` is 7) of the key.
local function check(name, s, at, running, held_tokens, held_cost)
    local most, asked = {}, requests * times
    for limit = 1, 7 do
        most[limit] = tonumber(ARGV[7 + at + limit])
    end
    if most[1] then
        check_minute(name, s, 'r', at + 1, most[1], s.rs, s.rn, asked)
    end
    if most[2] then
        check_day(at + 2, most[2], asked, s.dr, 0)
    end
    if most[3] then
        check_minute(name, s, 't', at + 3, most[3], s.ts, s.tn, tokens * times)
    end
    if most[4] then
        check_day(at + 4, most[4], tokens * times, s.dt, held_tokens)
    end
    if most[5] then
        used[at + 5] = running
        if running + asked > most[5] then
            refuse(at + 5, most[5] < 1 and NEVER or WAIT, SOON)
        end
    end
    if most[6] then
        check_budget(at + 6, most[6], s.sd, held_cost)
    end
    if most[7] then
        check_budget(at + 7, most[7], s.sm, held_cost)
    end
end

-- Count the request, and tell that it is.
local function count(s, at)
    s.rs, s.r, s.rn, s.dr = s.rs + requests, s.r + requests, second, s.dr + requests
    used[at + 1], used[at + 2] = used[at + 1] + requests, used[at + 2] + requests
    local ends = (second + RING) * 1000 - now
    resets[at > 0 and 3 or 1] = ends
    if leasing and tokens > 0 then
        s.ts, s.t, s.tn = s.ts + tokens, s.t + tokens, second
        used[at + 3], used[at + 4] = used[at + 3] + tokens, used[at + 4] + tokens
        resets[at > 0 and 4 or 2] = ends
    end
end

local s, v, own
if leasing then
    s, v = read_leases(key, ttl, '/' .. id)
else
    s = read(counts)
end
local known, own_known = know_spent(s, 0), KNOWN
if has_own then
    own = read(own_counts)
    own_known = know_spent(own, 7)
end
if known == NOT_ASKED or own_known == NOT_ASKED then
    verdict = UNKNOWN
elseif not (leasing and v[24]) then -- who comes twice is let in once
    check(counts, s, 0, s.n or 0, s.held_t or 0, s.held_m or 0)
    if own then
        check(own_counts, own, 7, s.own_n or 0, s.own_t or 0, s.own_m or 0)
    end
    if verdict == 0 then
        count(s, 0)
        if own then
            count(own, 7)
            write(own_counts, own)
        end
        if leasing then
            local ends = now + ttl
            write(counts, s, 'c', now, 'w', s.n > 0 and math.min(s.ends, ends) or ends,
                'n', s.n + 1, 't', s.held_t + tokens, 'm', s.held_m + cost,
                key .. ':n', s.own_n + 1, key .. ':t', s.own_t + tokens, key .. ':m', s.own_m + cost,
                '/' .. id, string.format('%.0f %.0f %.0f %s', tokens, cost, second, key))
            call('ZADD', leases, ends, id)
            if s.n == 0 then
                call('PEXPIRE', leases, 3 * DAY)
            end
        else
            write(counts, s)
        end
    end
end
if verdict ~= 0 then
    if s.seeded then
        write(counts, s)
    end
    if own and own.seeded then
        write(own_counts, own)
    end
end
return {
    verdict, which, wait, now, s.epoch or 0, known, own_known,
    used[1], used[2], used[3], used[4], used[5], used[6], used[7],
    used[8], used[9], used[10], used[11], used[12], used[13], used[14],
    resets[1], resets[2], resets[3], resets[4], s.held_m or 0, s.own_m or 0,
}
