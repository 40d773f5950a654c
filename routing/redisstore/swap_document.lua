-- Writes a document if its version is still the one that the caller knows.
--
-- KEYS  the document
-- ARGV  the version that it should have ('0' if it should not exist); the new version; the new content; the channel of
--       changes; the message that tells of the new version
-- Returns 1 if it was written; else 0, and the version and content that there are, nil if there is no document.
local held = redis.call('HGET', KEYS[1], 'version')
if (held or '0') ~= ARGV[1] then
	return {0, held, redis.call('HGET', KEYS[1], 'data')}
end
-- A script that fails half-way is not undone, and a user may lack the permission to publish here: so that comes first.
-- Who hears of the document hears it after the script, whatever the order in here.
redis.call('PUBLISH', ARGV[4], ARGV[5])
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'data', ARGV[3])
return {1}
