-- What is wrong with the event files of an attempt: its curves may not be whole.

ALTER TABLE _attempt ADD COLUMN problem TEXT;
