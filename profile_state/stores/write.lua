#!lua name=kairos
-- Every write of an engine passes here: a writer whose token is not the owner's changes nothing.
-- ARGV: token, then commands, each as its word count and its words.
redis.register_function('kairos_write', function(keys, args)
  local owner = redis.call('GET', keys[1])
  if owner ~= args[1] then
    return redis.error_reply('FENCED ' .. args[1] .. ' was replaced by ' .. tostring(owner))
  end
  local at = 2
  while at <= #args do
    local words = tonumber(args[at])
    redis.call(unpack(args, at + 1, at + words))
    at = at + words + 1
  end
  return at
end)
