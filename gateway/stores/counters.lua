-- What organisations and their keys use of their limits, counted where all workers meet: the ground on which admit.lua,
-- settle.lua, renew.lua and seed.lua stand, each a script of its own with this before it. Valkey 7.2 or newer, Redis 7.
-- Every name has the organisation in braces, so that on a cluster all of them are on one node.
--
-- KEYS 1 counts of the organisation, 2 counts of the key: hashes with the same fields
--          wl the last second that was counted; rs requests and ts tokens of the minute before it, rn and tn the last
--          second in which there were any, r<i> and t<i> those of second i modulo 61
--          d the day, dr and dt its requests and tokens; sd what was spent that day, mo the month, sm what was spent in it,
--          both in nanodollars; sure: when these were last compared with the ledger, ms, or 0
--        and in that of the organisation what is leased
--          /<request id> "tokens nanodollars second key"; n leases, t tokens, m nanodollars; <key>:n, :t, :m of a key;
--          e the epoch, w before when no lease ends, c the last time that was seen
--      3 leases  sorted set  request id -> the end of its lease, ms
--      4 lapsed  sorted set  leases that ended by themselves; what those requests came to may still be told
--      5 told    sorted set  requests without a lease that have told, so that each is counted once
--
-- A lease is the proof that a request has not told yet what it came to: telling takes the lease (or its name in `lapsed`)
-- away, so a second time finds nothing. Where all leases were lost the epoch is another, and `told` is the proof.
--
-- A call costs what its commands and its closures cost, so there are few of both: what is needed of a hash is read at once
-- and written at once, and what is done once a second, a lease or a day stands in `seldom`, which is made when it is called.

local RING = 61 -- seconds; a request counts for sixty after the second in which it came
local HOUR, DAY = 3600000, 86400000

local call, floor = redis.call, math.floor
local counts, own_counts, leases, lapsed, told = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + floor(time[2] / 1000)
local today = floor(second / 86400)
local r_now, t_now = 'r' .. second % RING, 't' .. second % RING

local function seldom()
    local it = {}

    -- The window moves on: what came more than sixty seconds ago leaves it.
    function it.move(key, s)
        local last = s.wl
        s.r, s.t, s.leaving = 0, 0, {}
        if last > second then -- the clock went back: all that is there counts as of now
            for i = 0, RING - 1 do
                s.leaving[2 * i + 1], s.leaving[2 * i + 2] = 'r' .. i, 't' .. i
            end
            s.r, s.t, s.rn, s.tn = s.rs, s.ts, second, second
            return
        end
        for past = math.max(last, second - RING) + 1, second do
            s.leaving[#s.leaving + 1] = 'r' .. past % RING
            s.leaving[#s.leaving + 1] = 't' .. past % RING
        end
        local left = call('HMGET', key, unpack(s.leaving))
        for i = 1, #s.leaving, 2 do
            s.rs, s.ts = s.rs - (tonumber(left[i]) or 0), s.ts - (tonumber(left[i + 1]) or 0)
        end
    end

    -- Counts up by one a month; days since 1970 to the calendar, whose year begins in March.
    local function this_month()
        local days = today + 719468
        local era = floor(days / 146097)
        local of_era = days - era * 146097
        local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
        local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
        return (era * 400 + year) * 12 + floor((5 * of_year + 2) / 153)
    end

    -- A new day begins, and maybe a month. Where the clock went back, what was counted stays, and the ledger is asked.
    function it.turn(s)
        local month = this_month()
        if s.d > today then
            s.sure = 0
        else
            s.dr, s.dt, s.sd = 0, 0, 0
        end
        if s.mo < month then
            s.sm = 0
        end
        s.mo, s.new = month, true
    end

    -- Keep the names of requests for a day; back come those that were not there.
    function it.keep(set, ids)
        local new = {}
        for _, id in ipairs(ids) do
            new[id] = call('ZADD', set, 'NX', now, id) == 1 or new[id]
        end
        call('ZREMRANGEBYSCORE', set, '-inf', now - DAY)
        call('ZREMRANGEBYRANK', set, 0, -10001)
        call('PEXPIRE', set, DAY)
        return new
    end

    function it.add_up(sum, n, tokens, cost)
        if call('HINCRBY', counts, sum .. 'n', n) <= 0 then
            call('HDEL', counts, sum .. 'n', sum .. 't', sum .. 'm')
        else
            call('HINCRBY', counts, sum .. 't', tokens)
            call('HINCRBY', counts, sum .. 'm', cost)
        end
    end

    -- Forget all leases, since a part of what is kept of them is lost; the next reading begins another epoch.
    local function lose()
        local names = { 'e', 'n', 't', 'm' }
        for _, name in ipairs(call('HKEYS', counts)) do
            if string.find(name, '^/') or string.find(name, ':[ntm]$') then
                names[#names + 1] = name
            end
        end
        for at = 1, #names, 1000 do
            call('HDEL', counts, unpack(names, at, math.min(at + 999, #names)))
        end
        call('DEL', leases)
    end

    -- Let leases end whose time is over, and see whether all that is kept of them is there.
    function it.lapse(ttl)
        local over = {}
        for _, id in ipairs(call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 500)) do
            local terms = call('HGET', counts, '/' .. id)
            call('ZREM', leases, id)
            if terms then
                call('HDEL', counts, '/' .. id)
                local tokens, cost, key = string.match(terms, '^(%d+) (%d+) %d+ (.*)$')
                it.add_up('', -1, 0 - tokens, 0 - cost)
                it.add_up(key .. ':', -1, 0 - tokens, 0 - cost)
                over[#over + 1] = id
            end
        end
        if #over > 0 then
            it.keep(lapsed, over)
        end
        if call('ZCARD', leases) ~= (tonumber(call('HGET', counts, 'n')) or 0) then
            lose()
        end
        local first = tonumber(call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2]) or now + ttl
        call('HSET', counts, 'w', math.max(first, now + 1))
    end

    -- The clock went back: no lease may last for an hour because of that.
    function it.shorten(ttl)
        for _, id in ipairs(call('ZRANGEBYSCORE', leases, now + ttl, '+inf')) do
            call('ZADD', leases, now + ttl, id)
        end
        call('HSET', counts, 'c', now)
    end

    return it
end

-- What is counted of an organisation or a key, as of now; and the fields that are asked for besides, after 14 others.
local function read(key, ...)
    local v = call('HMGET', key, 'wl', 'rs', 'ts', 'rn', 'tn', r_now, t_now, 'd', 'dr', 'dt', 'sd', 'mo', 'sm', 'sure', ...)
    local s = {
        wl = tonumber(v[1]),
        rs = tonumber(v[2]) or 0,
        ts = tonumber(v[3]) or 0,
        rn = tonumber(v[4]) or 0,
        tn = tonumber(v[5]) or 0,
        r = tonumber(v[6]) or 0,
        t = tonumber(v[7]) or 0,
        d = tonumber(v[8]) or 0,
        dr = tonumber(v[9]) or 0,
        dt = tonumber(v[10]) or 0,
        sd = tonumber(v[11]) or 0,
        mo = tonumber(v[12]) or 0,
        sm = tonumber(v[13]) or 0,
        sure = tonumber(v[14]) or 0,
    }
    if s.wl and s.wl ~= second then
        seldom().move(key, s)
    end
    if s.d ~= today then
        seldom().turn(s)
    end
    return s, v
end

-- Write what was counted, and what else there is to write.
local function write(key, s, ...)
    if s.leaving then
        call('HDEL', key, unpack(s.leaving))
    end
    call('HSET', key, 'wl', second, 'rs', s.rs, 'ts', s.ts, 'rn', s.rn, 'tn', s.tn, r_now, s.r, t_now, s.t, 'd', today,
        'dr', s.dr, 'dt', s.dt, 'sd', s.sd, 'mo', s.mo, 'sm', s.sm, 'sure', s.sure, ...)
    if s.new then
        call('PEXPIRE', key, 3 * DAY)
        call('PEXPIRE', leases, 3 * DAY)
    end
end

-- What is counted of the organisation, of its leases and of those of a key; and what else is asked for, after 23 others.
local function read_leases(key, ttl, ...)
    local s, v = read(counts, 'e', 'n', 't', 'm', 'w', 'c', key .. ':n', key .. ':t', key .. ':m', ...)
    s.epoch, s.ends = tonumber(v[15]), tonumber(v[19]) or 0
    s.n, s.held_t, s.held_m = tonumber(v[16]) or 0, tonumber(v[17]) or 0, tonumber(v[18]) or 0
    s.own_n, s.own_t, s.own_m = tonumber(v[21]) or 0, tonumber(v[22]) or 0, tonumber(v[23]) or 0
    local back = now + 1000 < (tonumber(v[20]) or 0)
    if not s.epoch then
        s.epoch = second * 1000000 + time[2]
        call('DEL', leases)
        call('HSET', counts, 'e', s.epoch)
        call('PEXPIRE', counts, 3 * DAY)
    elseif s.n > 0 and (now >= s.ends or back) then
        local it = seldom()
        if back then
            it.shorten(ttl)
        end
        it.lapse(ttl)
        return read_leases(key, ttl, ...)
    end
    return s, v
end
