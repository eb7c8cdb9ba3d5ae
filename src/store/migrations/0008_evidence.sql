-- What was seen of the end of an attempt that failed, as JSON: signal, exit code, memory, last step, a fingerprint of the
-- log's last line.

ALTER TABLE _attempt ADD COLUMN evidence TEXT;
