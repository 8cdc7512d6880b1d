-- What organisations and their keys use of their limits, counted where all workers meet: each call of `admit` takes all
-- that a request needs, or nothing. Valkey 7.2+ and Redis 7; every key carries the organisation as its hash tag, but
-- `workers`, which is called with a key of its own.
--
-- KEYS 1 leases  sorted set  request id -> the end of its lease, ms
--      2 leased  hash        /<request id> -> "tokens nanodollars second key", and what all leases come to: n, t, m of the
--                            organisation, <key>:n, <key>:t, <key>:m of a key; e the epoch, c when it was last looked at
--      3 lapsed  sorted set  leases that ended by themselves; what those requests came to may still be told
--      4 told    sorted set  requests without a lease that have told, so that each is counted once
--      5 window  hash        the last 61 seconds of the organisation: r<i>, t<i> of each second, their sums rs, ts, the last
--                            second that was looked at rl, tl, the last in which there was something rn, tn
--      6 used    hash        requests and tokens of day d
--      7 spent   hash        nanodollars of day d and month m; sure: when that was last compared with the ledger, ms
--      8, 9, 10              window, used and spent of the key
--
-- A lease is the proof that a request has not told yet what it came to: telling takes the lease (or its name in `lapsed`)
-- away, so a second time finds nothing. Where all leases were lost the epoch is another, and `told` is the proof.

local RING = 61 -- seconds; a request counts for sixty after the second in which it came
local HOUR, DAY = 3600 * 1000, 86400 * 1000

local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(tonumber(time[2]) / 1000)
local today = math.floor(second / 86400)
local leases, leased, lapsed, told = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function number(text)
    return tonumber(text) or 0
end

local function this_month() -- counts up by one a month; days since 1970 to the calendar, whose year begins in March
    local days = today + 719468
    local era = math.floor(days / 146097)
    local of_era = days - era * 146097
    local year = of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)
    year = math.floor(year / 365)
    local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
    return (era * 400 + year) * 12 + math.floor((5 * of_year + 2) / 153)
end

-- The window of a minute ------------------------------------------------------------------------------------------------

-- What came in the last sixty seconds, and the last second in which something came.
local function window(key, kind)
    local read = redis.call('HMGET', key, kind .. 'l', kind .. 's', kind .. 'n')
    local last, total, newest = tonumber(read[1]), number(read[2]), number(read[3])
    if not last or last == second then
        return total, newest
    end
    local leaving = {}
    for past = math.max(last, second - RING) + 1, second do
        leaving[#leaving + 1] = kind .. past % RING
    end
    if last > second then -- the clock went back: all that is there counts as of now
        for i = 0, RING - 1 do
            leaving[#leaving + 1] = kind .. i
        end
        redis.call('HDEL', key, unpack(leaving))
        redis.call('HSET', key, kind .. second % RING, total)
        newest = second
    else
        for _, amount in ipairs(redis.call('HMGET', key, unpack(leaving))) do
            total = total - number(amount)
        end
        redis.call('HDEL', key, unpack(leaving))
    end
    redis.call('HSET', key, kind .. 'l', second, kind .. 's', total, kind .. 'n', newest)
    return total, newest
end

local function add(key, kind, amount)
    redis.call('HSET', key, kind .. 'l', second, kind .. 'n', second)
    redis.call('HINCRBY', key, kind .. second % RING, amount)
    redis.call('HINCRBY', key, kind .. 's', amount)
    redis.call('PEXPIRE', key, RING * 1000 + 1000)
end

-- Give back what was counted in a second that may have left the window.
local function take_off(key, kind, at, amount)
    if at <= second and second - at < RING then
        amount = math.min(amount, number(redis.call('HGET', key, kind .. at % RING)))
        redis.call('HINCRBY', key, kind .. at % RING, 0 - amount)
        redis.call('HINCRBY', key, kind .. 's', 0 - amount)
    end
end

-- Milliseconds until so much has left the window.
local function leaves_in(key, kind, amount)
    local fields = {}
    for past = second - RING + 1, second do
        fields[#fields + 1] = kind .. past % RING
    end
    for i, there in ipairs(redis.call('HMGET', key, unpack(fields))) do
        amount = amount - number(there)
        if amount <= 0 then
            return (second + i) * 1000 - now
        end
    end
    return RING * 1000
end

-- The day and the month ------------------------------------------------------------------------------------------------

-- Requests and tokens of today. Where the clock went back a day, what was counted stays counted.
local function used(key)
    local day, requests, tokens = unpack(redis.call('HMGET', key, 'd', 'r', 't'))
    if number(day) < today then
        return 0, 0
    end
    return number(requests), number(tokens)
end

local function use(key, requests, tokens)
    local before_requests, before_tokens = used(key)
    redis.call('HSET', key, 'd', today, 'r', before_requests + requests, 't', before_tokens + tokens)
    redis.call('PEXPIRE', key, 2 * DAY)
end

-- Nanodollars of today and of this month, and when they were compared with the ledger; nil where that must be done first.
local function spent(key)
    local read = redis.call('HMGET', key, 'd', 'day', 'm', 'month', 'sure')
    local day, month = 0, 0
    if number(read[1]) >= today then
        day = number(read[2])
    end
    if number(read[3]) >= this_month() then
        month = number(read[4])
    end
    if number(read[1]) > today then -- the clock went back, so yesterday's sum is lost
        return day, month, nil
    end
    return day, month, tonumber(read[5])
end

local function spend(key, amount)
    local day, month, sure = spent(key)
    redis.call('HSET', key, 'd', today, 'day', day + amount, 'm', this_month(), 'month', month + amount)
    if not sure then
        redis.call('HDEL', key, 'sure')
    end
    redis.call('PEXPIRE', key, DAY)
end

-- What the ledger says has been spent. It may lag behind, and so may what is here after a loss: the larger is nearer.
local function seed(key, day, month, good_for)
    local here_day, here_month = spent(key)
    redis.call('HSET', key, 'd', today, 'day', math.max(here_day, day), 'm', this_month(), 'month',
        math.max(here_month, month), 'sure', now - HOUR + good_for)
    redis.call('PEXPIRE', key, DAY)
end

-- Leases ---------------------------------------------------------------------------------------------------------------

local function add_up(sum, n, tokens, cost)
    if redis.call('HINCRBY', leased, sum .. 'n', n) <= 0 then
        redis.call('HDEL', leased, sum .. 'n', sum .. 't', sum .. 'm')
    else
        redis.call('HINCRBY', leased, sum .. 't', tokens)
        redis.call('HINCRBY', leased, sum .. 'm', cost)
    end
end

local function keep(set, id)
    local new = redis.call('ZADD', set, 'NX', now, id)
    redis.call('ZREMRANGEBYSCORE', set, '-inf', now - DAY)
    redis.call('ZREMRANGEBYRANK', set, 0, -10001)
    redis.call('PEXPIRE', set, DAY)
    return new == 1
end

local function lease(id, tokens, cost, at, key, ttl)
    redis.call('ZADD', leases, now + ttl, id)
    redis.call('HSET', leased, '/' .. id, string.format('%.0f %.0f %.0f %s', tokens, cost, at, key), 'c', now)
    add_up('', 1, tokens, cost)
    add_up(key .. ':', 1, tokens, cost)
end

-- The estimate of tokens and the second in which it was counted; nil where there is no such lease.
local function end_lease(id)
    local terms = redis.call('HGET', leased, '/' .. id)
    redis.call('ZREM', leases, id)
    if not terms then
        return nil
    end
    redis.call('HDEL', leased, '/' .. id)
    local tokens, cost, at, key = string.match(terms, '^(%d+) (%d+) (%d+) (.*)$')
    add_up('', -1, 0 - tokens, 0 - cost)
    add_up(key .. ':', -1, 0 - tokens, 0 - cost)
    return tonumber(tokens), tonumber(at)
end

-- Let leases end whose time is over; the epoch, which is another one after a loss.
local function look_at_leases(ttl)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 500)) do
        if end_lease(id) then
            keep(lapsed, id)
        end
    end
    local epoch, last, n = unpack(redis.call('HMGET', leased, 'e', 'c', 'n'))
    if not epoch or redis.call('ZCARD', leases) ~= number(n) then
        redis.call('DEL', leases, leased)
        epoch = second * 1000000 + tonumber(time[2])
        redis.call('HSET', leased, 'e', epoch)
        redis.call('PEXPIRE', leased, HOUR)
    elseif ttl and now + 1000 < number(last) then -- the clock went back: no lease may last an hour because of that
        for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, now + ttl, '+inf')) do
            redis.call('ZADD', leases, now + ttl, id)
        end
        redis.call('HSET', leased, 'c', now)
    end
    return tonumber(epoch)
end

local function hold(ttl)
    redis.call('PEXPIRE', leases, ttl + HOUR)
    redis.call('PEXPIRE', leased, ttl + HOUR)
end
