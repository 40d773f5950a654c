-- Replaces the records of a key, both or neither, if they are what the caller thinks they are.
--
-- KEYS  the bucket's identity; its ids; its expiries; its unfinished ones; the instance's record; the binding's, where
--       the key names one
-- ARGV  the identity that the bucket should have, '' for any; the channel of changes; and seven values a record: '1' if
--       it should exist, and its content; what to do with it ('keep', 'set' or 'erase'), the new content, its time to
--       live in milliseconds ('0' for none), '1' if an operation is unfinished, and the member that stands for it in the
--       sets
-- Returns 1 if the change was made, else 0; the time in seconds and microseconds; and if it was not made the two
-- records as they are. A record that is absent is nil. If there is neither record, and the bucket's identity is not the
-- one that it should have, it returns -1 and that identity, and changes nothing.

-- How long a record must have expired before its member goes, and how many members go with one write.
local grace_milliseconds = 1000
local trim_limit = 16

local identity, ids, expiries, unfinished = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local records = #KEYS - 4

local held = {false, false}
for i = 1, records do
	held[i] = redis.call('GET', KEYS[4 + i])
end
if not held[1] and not held[2] and ARGV[1] ~= '' then
	local found = redis.call('GET', identity)
	if found ~= ARGV[1] then
		return {-1, found}
	end
end
local written = {}
for i = 1, records do
	local at = (i - 1) * 7 + 2
	local same = not held[i]
	if ARGV[at + 1] == '1' then
		same = held[i] == ARGV[at + 2]
	end
	if not same then
		return {0, time[1], time[2], held[1], held[2]}
	end
	if ARGV[at + 3] ~= 'keep' then
		written[#written + 1] = ARGV[at + 7]
	end
end
if #written == 0 then
	return {1, time[1], time[2]}
end

local function text(number)
	return string.format('%.0f', number)
end
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- A script that fails half-way is not undone. So what can fail is found out before the first write: a key of another
-- type and a user who may not publish here, and a lack of memory by the SET, which is the first command that may need
-- some. Who hears of the change hears it after the script, whatever the order in here.
local expired = redis.call('ZRANGEBYSCORE', expiries, '-inf', text(now - grace_milliseconds), 'LIMIT', 0, trim_limit)
redis.call('ZCARD', ids)
redis.call('ZCARD', unfinished)
redis.call('PUBLISH', ARGV[2], table.concat(written, ' '))

for i = 1, records do
	local at = (i - 1) * 7 + 2
	if ARGV[at + 3] == 'erase' then
		redis.call('DEL', KEYS[4 + i])
	elseif ARGV[at + 3] == 'set' then
		if ARGV[at + 5] == '0' then
			redis.call('SET', KEYS[4 + i], ARGV[at + 4])
		else
			redis.call('SET', KEYS[4 + i], ARGV[at + 4], 'PX', ARGV[at + 5])
		end
	end
end

if #expired > 0 then
	redis.call('ZREM', ids, unpack(expired))
	redis.call('ZREM', expiries, unpack(expired))
	redis.call('ZREM', unfinished, unpack(expired))
end

for i = 1, records do
	local at = (i - 1) * 7 + 2
	local member = ARGV[at + 7]
	if ARGV[at + 3] == 'erase' then
		redis.call('ZREM', ids, member)
		redis.call('ZREM', expiries, member)
		redis.call('ZREM', unfinished, member)
	elseif ARGV[at + 3] == 'set' then
		redis.call('ZADD', ids, '0', member)
		if ARGV[at + 5] == '0' then
			redis.call('ZREM', expiries, member)
		else
			redis.call('ZADD', expiries, text(now + tonumber(ARGV[at + 5])), member)
		end
		if ARGV[at + 6] == '1' then
			redis.call('ZADD', unfinished, text(now), member)
		else
			redis.call('ZREM', unfinished, member)
		end
	end
end
return {1, time[1], time[2]}
