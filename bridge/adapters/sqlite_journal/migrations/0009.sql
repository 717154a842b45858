-- A next attempt is also due where its job was written by a clock that was set back since.
DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (number, not_before, changed_at)
WHERE phase IN ('accepted', 'submitting');
