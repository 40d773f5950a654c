-- Replaces the records of a key, both or neither, if they are what the caller thinks they are.
--
-- KEYS  the bucket's ids; its unfinished ones; the instance's record; the binding's, where the key names one
-- ARGV  seven values a record: '1' if it should exist, and its content; what to do with it ('keep', 'set' or 'erase'),
--       the new content, its time to live in milliseconds ('0' for none), '1' if an operation is unfinished, and the
--       member that stands for it in the sets
-- Returns 1 if the change was made, else 0; the time in seconds and microseconds; and if it was not made the two
-- records as they are. A record that is absent is nil.

-- How long a record must have expired before its member goes, and how many members go with one write.
local grace_milliseconds = 1000
local trim_limit = 16

local time = redis.call('TIME')
local records = #KEYS - 2

local held = {false, false}
for i = 1, records do
	held[i] = redis.call('GET', KEYS[2 + i])
end
local writes = false
for i = 1, records do
	local at = (i - 1) * 7
	local same = not held[i]
	if ARGV[at + 1] == '1' then
		same = held[i] == ARGV[at + 2]
	end
	if not same then
		return {0, time[1], time[2], held[1], held[2]}
	end
	writes = writes or ARGV[at + 3] ~= 'keep'
end
if not writes then
	return {1, time[1], time[2]}
end

-- A script that fails half-way is not undone. So what can fail is found out before the first write: a key of another
-- type here, and a lack of memory by the SET, which is the first command that may need some.
redis.call('ZCARD', KEYS[1])
redis.call('ZCARD', KEYS[2])

for i = 1, records do
	local at = (i - 1) * 7
	if ARGV[at + 3] == 'erase' then
		redis.call('DEL', KEYS[2 + i])
	elseif ARGV[at + 3] == 'set' then
		if ARGV[at + 5] == '0' then
			redis.call('SET', KEYS[2 + i], ARGV[at + 4])
		else
			redis.call('SET', KEYS[2 + i], ARGV[at + 4], 'PX', ARGV[at + 5])
		end
	end
end

local function text(number)
	return string.format('%.0f', number)
end
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local expired = redis.call('ZRANGEBYSCORE', KEYS[1], '(0', text(now - grace_milliseconds), 'LIMIT', 0, trim_limit)
if #expired > 0 then
	redis.call('ZREM', KEYS[1], unpack(expired))
	redis.call('ZREM', KEYS[2], unpack(expired))
end

for i = 1, records do
	local at = (i - 1) * 7
	local member = ARGV[at + 7]
	if ARGV[at + 3] == 'erase' then
		redis.call('ZREM', KEYS[1], member)
		redis.call('ZREM', KEYS[2], member)
	elseif ARGV[at + 3] == 'set' then
		local ends = '0'
		if ARGV[at + 5] ~= '0' then
			ends = text(now + tonumber(ARGV[at + 5]))
		end
		redis.call('ZADD', KEYS[1], ends, member)
		if ARGV[at + 6] == '1' then
			redis.call('ZADD', KEYS[2], text(now), member)
		else
			redis.call('ZREM', KEYS[2], member)
		end
	end
end
return {1, time[1], time[2]}
