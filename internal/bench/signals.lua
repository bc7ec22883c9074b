-- One signal, as tidal counts it: the item's decayed score and its counts, the same for each cohort, and what the user
-- saw, newest first and as a set. docs/bench.md says where the two differ.
--
-- ARGV: item, user, type, weight, time (Unix ms), half-life (ms), cohorts ...
local item, user, kind = ARGV[1], ARGV[2], ARGV[3]
local weight, time, half = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local minute = string.format('m%d', math.floor(time / 60000))
local hour = string.format('h%d', math.floor(time / 3600000))
local day = string.format('d%d', math.floor(time / 86400000))

-- A cell is one hash: s, the score as of t; t, the newest event; n, all events; and a count per minute, hour and day.
-- Two commands a cell, rather than one per field, because that is the fastest way in Redis.
local function count(key)
  local had = redis.call('HMGET', key, 's', 't', 'n', minute, hour, day)
  local score, newest = tonumber(had[1]) or 0, tonumber(had[2]) or time
  if time >= newest then
    score, newest = score * 2 ^ ((newest - time) / half) + weight, time
  else
    score = score + weight * 2 ^ ((time - newest) / half)
  end
  redis.call('HSET', key, 's', string.format('%.17g', score), 't', string.format('%.0f', newest),
    'n', (had[3] or 0) + 1, minute, (had[4] or 0) + 1, hour, (had[5] or 0) + 1, day, (had[6] or 0) + 1)
end

count('cell:' .. item .. ':' .. kind)
for i = 7, #ARGV do
  count('cell:' .. ARGV[i] .. ':' .. item .. ':' .. kind)
end
if user ~= '' then
  redis.call('LPUSH', 'recent:' .. user, item .. ':' .. kind .. ':' .. ARGV[5])
  redis.call('LTRIM', 'recent:' .. user, 0, 63)
  redis.call('SADD', 'seen:' .. user, item)
end
return 1
