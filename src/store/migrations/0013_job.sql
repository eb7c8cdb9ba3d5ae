-- What a cluster calls the job of an attempt; NULL on this machine, and before it has begun.

ALTER TABLE _attempt ADD COLUMN job TEXT;
