-- Requests still run: their leases are renewed, and made again where they ended or were lost. Back comes the epoch.
--
-- ARGV ms of a lease; then of each request: name, epoch of its lease or 0, tokens, nanodollars, second, key

local ttl = tonumber(ARGV[1])
local epoch, it = read_leases('', ttl).epoch, seldom()

for i = 2, #ARGV, 6 do
    local id, tokens, cost, key = ARGV[i], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 5]
    if call('HEXISTS', counts, '/' .. id) == 1 then
        call('ZADD', leases, 'XX', now + ttl, id)
    elseif call('ZREM', lapsed, id) == 1 or tonumber(ARGV[i + 1]) ~= epoch then
        call('ZADD', leases, now + ttl, id)
        call('HSET', counts, '/' .. id, string.format('%.0f %.0f %s %s', tokens, cost, ARGV[i + 4], key))
        it.add_up('', 1, tokens, cost)
        it.add_up(key .. ':', 1, tokens, cost)
    end
end
local ends = tonumber(call('HGET', counts, 'w')) or 0
call('HSET', counts, 'c', now, 'w', ends > now and math.min(ends, now + ttl) or now + ttl)
call('PEXPIRE', counts, 3 * DAY)
call('PEXPIRE', leases, 3 * DAY)
return epoch
