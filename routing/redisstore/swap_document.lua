-- Writes a document if its version is still the one that the caller knows.
--
-- KEYS  the document
-- ARGV  the version that it should have ('0' if it should not exist); the new version; the new content
-- Returns 1 if it was written; else 0, and the version and content that there are, nil if there is no document.
local held = redis.call('HGET', KEYS[1], 'version')
if (held or '0') ~= ARGV[1] then
	return {0, held, redis.call('HGET', KEYS[1], 'data')}
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'data', ARGV[3])
return {1}
