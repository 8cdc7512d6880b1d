-- What came of requests of one key; back comes how many were counted now, and not before.
--
-- ARGV key, whether it has limits, ms of a lease; then of each request: name, epoch of its lease or 0, requests to count
--      (of an allowance those that it was not used for, less than none), tokens, nanodollars

local key, has_own, ttl = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3])
local requests, tokens, cost, counted = 0, 0, 0, 0
local held_n, held_tokens, held_cost = 0, 0, 0
local ended, gone, taken = {}, {}, {}

local fields = {}
for i = 4, #ARGV, 5 do
    fields[#fields + 1] = '/' .. ARGV[i]
end
local s, v = read_leases(key, ttl, unpack(fields))

-- Where a lease is no proof, the names are.
local strange, telling, new = {}, {}, {}
for i = 4, #ARGV, 5 do
    local epoch = tonumber(ARGV[i + 1])
    if epoch ~= s.epoch or epoch == 0 then
        strange[#strange + 1] = ARGV[i]
        if ARGV[i + 2] + ARGV[i + 3] + ARGV[i + 4] > 0 then
            telling[#telling + 1] = ARGV[i]
        end
    end
end
if #strange > 0 then
    call('ZREM', lapsed, unpack(strange))
end
if #telling > 0 then
    new = seldom().keep(told, telling)
end

for i = 4, #ARGV, 5 do
    local id, epoch = ARGV[i], tonumber(ARGV[i + 1])
    local these = { tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]) }
    local terms, counts_now = v[24 + (i - 4) / 5], false
    if terms and ended[id] then
        terms = false
    end
    if epoch == s.epoch and epoch ~= 0 then
        counts_now = terms or call('ZREM', lapsed, id) == 1
    else
        counts_now, new[id] = new[id], nil
    end
    if terms then
        local estimate, leased, at = string.match(terms, '^(%d+) (%d+) (%d+)')
        taken[#taken + 1] = { at = tonumber(at), tokens = tonumber(estimate), unused = math.max(0, 0 - these[1]) }
        held_n, held_tokens, held_cost = held_n + 1, held_tokens + estimate, held_cost + leased
        ended[id], gone[#gone + 1] = true, id
        these[1] = floor(at / 86400) == today and math.min(these[1], 0) or 0 -- they were counted when it was admitted
    else
        these[1] = math.max(these[1], 0)
    end
    if counts_now then
        requests, tokens, cost = requests + these[1], tokens + these[2], cost + these[3]
        counted = counted + 1
    end
end

-- Take from a second of the last minute what was counted in it and was not used.
local function take_back(name, c, kind, at, off)
    local sum = kind .. 's'
    if off > 0 and at == second then
        off = math.min(off, c[kind])
        c[kind], c[sum] = c[kind] - off, c[sum] - off
    elseif off > 0 and at > second - RING and at <= (c.wl or 0) and c.wl <= second then
        local field = kind .. at % RING
        off = math.min(off, tonumber(call('HGET', name, field)) or 0)
        call('HINCRBY', name, field, 0 - off)
        c[sum] = c[sum] - off
    end
end

-- Replace the estimates of a minute by what was used, where they still are; what is more is used now.
local function count(name, c)
    local more = tokens
    for _, one in ipairs(taken) do
        local off = math.min(one.tokens, more)
        more = more - off
        take_back(name, c, 't', one.at, one.tokens - off)
        take_back(name, c, 'r', one.at, one.unused)
    end
    if more > 0 then
        c.ts, c.t, c.tn = c.ts + more, c.t + more, second
    end
    c.dr, c.dt, c.sd, c.sm = math.max(0, c.dr + requests), c.dt + tokens, c.sd + cost, c.sm + cost
end

count(counts, s)
if has_own then
    local own = read(own_counts)
    count(own_counts, own)
    write(own_counts, own)
end
if #gone == 0 then
    write(counts, s)
    return counted
end
call('ZREM', leases, unpack(gone))
for i, id in ipairs(gone) do
    gone[i] = '/' .. id
end
if s.own_n <= held_n then
    gone[#gone + 1], gone[#gone + 2], gone[#gone + 3] = key .. ':n', key .. ':t', key .. ':m'
else
    call('HSET', counts, key .. ':n', s.own_n - held_n, key .. ':t', s.own_t - held_tokens,
        key .. ':m', s.own_m - held_cost)
end
call('HDEL', counts, unpack(gone))
write(counts, s, 'n', s.n - held_n, 't', s.held_t - held_tokens, 'm', s.held_m - held_cost)
return counted
