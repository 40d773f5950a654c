-- Reads the records of a key and the server's clock.
--
-- KEYS  the instance's record; the binding's, where there is one to read
-- Returns the time in seconds and microseconds, and the two records; a record that is absent is nil.
local time = redis.call('TIME')
local instance = redis.call('GET', KEYS[1])
local binding = KEYS[2] and redis.call('GET', KEYS[2]) or false
return {time[1], time[2], instance, binding}
