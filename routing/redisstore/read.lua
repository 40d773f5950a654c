-- Reads the records of a key and the server's clock.
--
-- KEYS  the bucket's identity; the instance's record; the binding's, where there is one to read
-- Returns the time in seconds and microseconds, and the two records; and if there is neither, the bucket's identity.
-- What is absent is nil.
local time = redis.call('TIME')
local instance = redis.call('GET', KEYS[2])
local binding = KEYS[3] and redis.call('GET', KEYS[3]) or false
local identity = false
if not instance and not binding then
	identity = redis.call('GET', KEYS[1])
end
return {time[1], time[2], instance, binding, identity}
