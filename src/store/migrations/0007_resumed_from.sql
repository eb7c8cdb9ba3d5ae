-- The epoch or step that an attempt went on with; NULL where it began anew.

ALTER TABLE _attempt ADD COLUMN resumed_from INTEGER;
