#!lua name=kairos
-- `LATEST key number ms`, which is no command of the server's: sets a number for so long, unless a
-- larger one is there.
local function latest(key, number, ms)
  local known = tonumber(redis.call('GET', key) or '')
  if not known or known < tonumber(number) then
    redis.call('SET', key, number, 'PX', ms)
  end
end

-- Every write of an engine passes here: a writer whose token is not the owner's changes nothing, and
-- one whose call before this was refused does not either, since what follows stands on it.
-- KEYS: owner, calls. ARGV: token, number of the call, then commands, each as its word count and its
-- words, of which `unpack` takes fewer than 8,000.
redis.register_function('kairos_write', function(keys, args)
  local found = redis.call('MGET', keys[1], keys[2])
  if found[1] ~= args[1] then
    return redis.error_reply('FENCED ' .. args[1] .. ' was replaced by ' .. tostring(found[1]))
  end
  if tonumber(args[2]) ~= tonumber(found[2]) + 1 then
    return redis.error_reply('GAP call ' .. args[2] .. ' follows ' .. found[2])
  end
  local at = 3
  while at <= #args do
    local words = tonumber(args[at])
    if args[at + 1] == 'LATEST' then
      latest(args[at + 2], args[at + 3], args[at + 4])
    else
      redis.call(unpack(args, at + 1, at + words))
    end
    at = at + words + 1
  end
  redis.call('SET', keys[2], args[2])
  return at
end)
