-- Put something else in the place of what was put there: only who still has the place may. KEYS: the place. ARGV: what
-- should stand there, what shall (nothing: the place is given back), for how many milliseconds.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
