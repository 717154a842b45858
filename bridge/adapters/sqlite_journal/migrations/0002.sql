-- Another attempt after one that failed, and jobs that are to be cancelled.

ALTER TABLE jobs ADD COLUMN timeouts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN memory_shortages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN not_before TEXT;
ALTER TABLE jobs ADD COLUMN cancel_requested_at TEXT;
-- Up to this number the job's events were told by an earlier journal, which was lost.
ALTER TABLE jobs ADD COLUMN told_before INTEGER NOT NULL DEFAULT 0;

-- With not_before in it, jobs that may not be submitted yet are passed over without a look at them.
DROP INDEX jobs_waiting;
CREATE INDEX jobs_waiting ON jobs (number, not_before) WHERE phase IN ('accepted', 'submitting');

CREATE INDEX jobs_cancelling ON jobs (number)
WHERE cancel_requested_at IS NOT NULL AND phase IN ('queued', 'held', 'running');

-- Apart from jobs, since a control message may come before the job that it speaks of.
CREATE TABLE cancels (
    job_id TEXT PRIMARY KEY,
    requested_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX cancels_by_age ON cancels (requested_at);

-- A notice is an event that is no job's: a rejected message, a site that does not answer.
DROP INDEX events_of_rejections;
CREATE INDEX notices_sent ON events (sent_at) WHERE job IS NULL;
CREATE INDEX notices_by_routing_key ON events (routing_key, position) WHERE job IS NULL;
