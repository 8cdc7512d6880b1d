-- The limits, on the ground of counters.lua, which stands before this in the script: what a worker may ask for.

local WAIT, NEVER, LARGE, SPENT, UNKNOWN = 1, 2, 3, 4, 5 -- why a request may not pass; the gravest is told
local KNOWN, STALE, NOBODY_SAYS, NOT_ASKED = 0, 1, 2, 3 -- how well it is known what has been spent
local SOON = 1000 -- ms; where only requests that run stand in the way

local verdict, which, wait = 0, 0, 0

local function refuse(limit, kind, ms)
    if kind > verdict or (kind == verdict and ms > wait) then
        verdict, which, wait = kind, limit, ms
    end
end

-- The limits of a scope, each with what is used of it; in the order of `Limits` in core/limits.py.

local function check_minute(scope, at, kind, asked, result)
    local most, field = scope.limits[at], scope.at + at
    local total, newest = window(scope.window, kind)
    result.used[field] = total
    result.reset[scope.reset[kind]] = total > 0 and (newest + RING) * 1000 - now or 0
    if asked > most then
        refuse(field, NEVER, 0)
    elseif total + asked > most then
        refuse(field, WAIT, leaves_in(scope.window, kind, total + asked - most))
    end
end

local function check_day(scope, at, asked, here, held, result)
    local most, field = scope.limits[at], scope.at + at
    result.used[field] = here + held
    if asked > most then
        refuse(field, NEVER, 0)
    elseif here + asked > most then
        refuse(field, WAIT, (today + 1) * DAY - now)
    elseif here + held + asked > most then
        refuse(field, WAIT, SOON)
    end
end

local function check_running(scope, running, result)
    local most, field = scope.limits[5], scope.at + 5
    result.used[field] = running
    if running + 1 > most then
        refuse(field, most < 1 and NEVER or WAIT, SOON)
    end
end

-- A budget: `here` is spent, `held` leased. The last cents are for one request alone, however much it may take.
local function check_budget(scope, at, here, held, cost, result)
    local most, field = scope.limits[at], scope.at + at
    result.used[field] = here
    if here >= most then
        refuse(field, SPENT, 0)
    elseif cost > most then
        refuse(field, LARGE, 0)
    elseif here + held + cost > most and held > 0 then
        refuse(field, WAIT, SOON)
    end
end

local function check(scope, tokens, cost, result)
    local limits, held = scope.limits, { 0, 0, 0 }
    if scope.leasing then
        held = redis.call('HMGET', leased, scope.sum .. 'n', scope.sum .. 't', scope.sum .. 'm')
    end
    local running, held_tokens, held_cost = number(held[1]), number(held[2]), number(held[3])
    result.held[scope.place] = held_cost
    local requests_today, tokens_today = 0, 0
    if limits[2] or limits[4] then
        requests_today, tokens_today = used(scope.used)
    end
    local _ = limits[1] and check_minute(scope, 1, 'r', 1, result)
    _ = limits[2] and check_day(scope, 2, 1, requests_today, 0, result)
    _ = limits[3] and check_minute(scope, 3, 't', tokens, result)
    _ = limits[4] and check_day(scope, 4, tokens, tokens_today, held_tokens, result)
    _ = limits[5] and check_running(scope, running, result)
    _ = limits[6] and check_budget(scope, 6, scope.day, held_cost, cost, result)
    _ = limits[7] and check_budget(scope, 7, scope.month, held_cost, cost, result)
end

-- Find out what a scope has spent, and how well that is known.
local function know_spent(scope, day, month)
    if not (scope.limits[6] or scope.limits[7]) then
        return KNOWN
    end
    if tonumber(day) then
        seed(scope.spent, tonumber(day), tonumber(month), 15000) -- the ledger lags: soon it is asked once more
    end
    local sure
    scope.day, scope.month, sure = spent(scope.spent)
    if not sure then
        return day == '-' and NOBODY_SAYS or NOT_ASKED
    end
    if sure > now or now - sure > HOUR then
        redis.call('HSET', scope.spent, 'sure', now - HOUR + 10000) -- one worker is enough
        return STALE
    end
    return KNOWN
end

-- Take what a request needs, as `check` has seen that it may.
local function take(scope, tokens, result)
    local limits, counted = scope.limits, result.used
    for at, kind in pairs({ [1] = 'r', [3] = 't' }) do
        local amount = at == 1 and 1 or tokens
        if limits[at] and amount > 0 then
            add(scope.window, kind, amount)
            counted[scope.at + at] = counted[scope.at + at] + amount
            result.reset[scope.reset[kind]] = (second + RING) * 1000 - now
        end
    end
    if limits[2] then
        use(scope.used, 1, 0)
        counted[scope.at + 2] = counted[scope.at + 2] + 1
    end
    if limits[4] then -- leased, so not yet used
        counted[scope.at + 4] = counted[scope.at + 4] + tokens
    end
end

local function scope_of(place, key, leasing)
    local keys, at = 3 * place + 1, 7 * (place - 1)
    local scope = {
        place = place,
        at = at, -- before its first limit
        window = KEYS[keys + 1],
        used = KEYS[keys + 2],
        spent = KEYS[keys + 3],
        sum = place == 1 and '' or key .. ':',
        reset = { r = 2 * place - 1, t = 2 * place },
        leasing = leasing,
        limits = {},
    }
    for limit = 1, 7 do
        scope.limits[limit] = tonumber(ARGV[7 + at + limit])
    end
    return scope
end

-- admit <request> <tokens> <nanodollars> <lease in ms> <key> <leasing 0|1> <7 limits> <7 limits of the key>
--       <spent day, month> <spent day, month by the key>: numbers, `?` not asked yet, `-` nobody can say
-- Back come: verdict, limit, wait in ms, now, epoch, known of each spent, 14 used, 4 resets in ms, 2 held nanodollars.
local function admit()
    local id, tokens, cost, ttl, key = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
    local leasing, epoch = ARGV[7] == '1', 0
    local scopes = { scope_of(1, key, leasing), scope_of(2, key, leasing) }
    local result = { used = {}, reset = { 0, 0, 0, 0 }, held = { 0, 0 } }
    for i = 1, 14 do
        result.used[i] = 0
    end
    if leasing then
        epoch = look_at_leases(ttl)
    end
    local known = { know_spent(scopes[1], ARGV[22], ARGV[23]), know_spent(scopes[2], ARGV[24], ARGV[25]) }
    if known[1] == NOT_ASKED or known[2] == NOT_ASKED then
        verdict = UNKNOWN
    elseif not (leasing and redis.call('HEXISTS', leased, '/' .. id) == 1) then
        for _, scope in ipairs(scopes) do
            check(scope, tokens, cost, result)
        end
        if verdict == 0 then
            for _, scope in ipairs(scopes) do
                take(scope, tokens, result)
            end
            if leasing then
                lease(id, tokens, cost, second, key, ttl)
                hold(ttl)
            end
        end
    end
    local reply = { verdict, which, wait, now, epoch, known[1], known[2] }
    for _, numbers in ipairs({ result.used, result.reset, result.held }) do
        for _, one in ipairs(numbers) do
            reply[#reply + 1] = one
        end
    end
    return reply
end

-- What came of a request -------------------------------------------------------------------------------------------------

-- Whether what a request came to is counted now; then also the estimate of tokens that its lease was for, and from when.
local function tells(id, epoch, current, nothing)
    local tokens, at = end_lease(id)
    if epoch == current and epoch ~= 0 then
        return tokens ~= nil or redis.call('ZREM', lapsed, id) == 1, tokens, at
    end
    redis.call('ZREM', lapsed, id)
    return not nothing and keep(told, id), tokens, at
end

-- settle <key> <counted> (<request> <epoch> <requests> <tokens> <nanodollars>)...
-- `counted` says of tokens a minute, the day and money whether they have a limit, for organisation and key: "101001".
local function settle()
    local current, key, counted = look_at_leases(nil), ARGV[2], ARGV[3]
    local requests, tokens, cost, count = 0, 0, 0, 0
    local estimates = {}
    for i = 4, #ARGV, 5 do
        local these = { tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]) }
        local nothing = these[1] + these[2] + these[3] == 0
        local counts, estimate, at = tells(ARGV[i], tonumber(ARGV[i + 1]), current, nothing)
        if estimate then
            estimates[#estimates + 1] = { at, estimate }
            these[1] = 0 -- it was counted when it was admitted
        end
        if counts then
            requests, tokens, cost = requests + these[1], tokens + these[2], cost + these[3]
            count = count + 1
        end
    end
    for i, keys in ipairs({ { KEYS[5], KEYS[6], KEYS[7] }, { KEYS[8], KEYS[9], KEYS[10] } }) do
        local minute, day, money = string.sub(counted, 3 * i - 2, 3 * i):match('(.)(.)(.)')
        if minute == '1' then
            local more = tokens
            window(keys[1], 't')
            for _, estimate in ipairs(estimates) do
                local off = math.min(estimate[2], more)
                more = more - off -- so much of it was counted when it was admitted
                take_off(keys[1], 't', estimate[1], estimate[2] - off)
            end
            if more > 0 then
                add(keys[1], 't', more)
            end
        end
        if day == '1' and requests + tokens > 0 then
            use(keys[2], requests, tokens)
        end
        if money == '1' and cost > 0 then
            spend(keys[3], cost)
        end
    end
    return count
end

-- renew <lease in ms> (<request> <epoch> <tokens> <nanodollars> <second> <key>)...
-- Leases of requests that still run: those that ended or were lost are made again. Back comes the epoch.
local function renew()
    local ttl = tonumber(ARGV[2])
    local epoch = look_at_leases(ttl)
    for i = 3, #ARGV, 6 do
        local id = ARGV[i]
        if redis.call('HEXISTS', leased, '/' .. id) == 1 then
            redis.call('ZADD', leases, 'XX', now + ttl, id)
        elseif redis.call('ZREM', lapsed, id) == 1 or tonumber(ARGV[i + 1]) ~= epoch then
            lease(id, tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5], ttl)
        end
    end
    redis.call('HSET', leased, 'c', now)
    hold(ttl)
    return epoch
end

-- seed <spent day, month> <spent day, month by the key>: what the ledger says, `-` where it was not asked
local function seeds()
    for i, key in ipairs({ KEYS[7], KEYS[10] }) do
        if tonumber(ARGV[2 * i]) then
            seed(key, tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]), HOUR)
        end
    end
end

-- workers <name> <ms>: this one is there for so long; how many are. KEYS[1] is the set of them.
local function workers()
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return redis.call('ZCARD', KEYS[1])
end

local verbs = { admit = admit, settle = settle, renew = renew, seed = seeds, workers = workers }
return verbs[ARGV[1]]()
