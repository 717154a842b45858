-- Jobs that wait for others.

-- What the job has yet to wait for, as JSON: {"<job id>": "<condition>", ...}.
ALTER TABLE jobs ADD COLUMN waits_for TEXT NOT NULL DEFAULT '{}';

CREATE INDEX jobs_blocked ON jobs (number) WHERE phase = 'blocked';

-- One row for each of these, so that nobody needs to look at the jobs that wait.
CREATE TABLE dependencies (
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,    -- the one that waits
    dependency TEXT NOT NULL,               -- the one it waits for, which may not have come yet
    ending TEXT,                            -- what became of that one
    unknown_since TEXT,                     -- NULL once that one has come
    PRIMARY KEY (job_id, dependency)
) WITHOUT ROWID;

CREATE INDEX dependencies_by_dependency ON dependencies (dependency);
CREATE INDEX dependencies_ended ON dependencies (job_id) WHERE ending IS NOT NULL;
CREATE INDEX dependencies_unknown ON dependencies (unknown_since)
WHERE unknown_since IS NOT NULL;

-- The id in a rejected message: who waits for that job need not wait for long.
ALTER TABLE events ADD COLUMN rejected_job TEXT;
CREATE INDEX events_of_rejected_jobs ON events (rejected_job) WHERE rejected_job IS NOT NULL;
