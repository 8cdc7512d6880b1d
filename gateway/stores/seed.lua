-- What the ledger says has been spent in the day and the month, by the organisation and by the key; `-` where it was not
-- asked. It may lag behind, and so may what is here after a loss: the larger is nearer.

for at, name in ipairs({ counts, own_counts }) do
    local day, month = tonumber(ARGV[2 * at - 1]), tonumber(ARGV[2 * at])
    if day and month then
        local s = read(name)
        s.sd, s.sm, s.sure = math.max(s.sd, day), math.max(s.sm, month), now
        write(name, s)
    end
end
