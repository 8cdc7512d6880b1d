-- The pace that all workers keep towards one provider with one key: asked for one request, it says how many milliseconds
-- to wait, or 0 and counts it. KEYS: when the next is due, who runs. ARGV: requests a second, burst, at once, the
-- request's id, its lease in milliseconds. The clock is the server's own.

local rate, burst, most, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000

if most > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.3f', now))
    if redis.call('ZCARD', KEYS[2]) >= most then
        return 50
    end
end
if rate > 0 then
    local interval = 1000 / rate
    local due = tonumber(redis.call('GET', KEYS[1])) or now
    if due < now or due > now + (burst + 1) * interval then -- of the past, or of a clock that was ahead
        due = now
    end
    due = due + interval
    local wait = due - burst * interval - now
    if wait > 0.001 then
        return math.ceil(wait)
    end
    redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(due - now) + 1000)
end
if most > 0 then
    redis.call('ZADD', KEYS[2], string.format('%.3f', now + lease), ARGV[4])
    redis.call('PEXPIRE', KEYS[2], lease * 2)
end
return 0
