-- Times are text, always 2026-01-31T12:00:00.000000+00:00: people can read them, and they sort.
-- No STRICT tables and no RETURNING: Python may sit on a SQLite as old as 3.34 (RHEL 9).

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,             -- the order in which jobs were accepted
    job_id TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    phase TEXT NOT NULL,
    slurm_id TEXT,
    attempt INTEGER NOT NULL,
    restart INTEGER NOT NULL,
    pending_reason TEXT,
    nodes TEXT,
    container_exit_code INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    accepted_at TEXT NOT NULL,
    submitting_since TEXT,
    submitted_at TEXT,
    started_at TEXT,
    slurm_started_at TEXT,
    ended_at TEXT,
    absent_since TEXT,
    interrupted_since TEXT,
    revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    changed_at TEXT NOT NULL                -- when this row was last written
);

CREATE INDEX jobs_waiting ON jobs (number) WHERE phase IN ('accepted', 'submitting');
CREATE INDEX jobs_live ON jobs (number) WHERE phase IN ('queued', 'held', 'running');
CREATE INDEX jobs_over ON jobs (changed_at) WHERE phase IN ('finished', 'failed', 'cancelled');

-- Apart from jobs, so that a job's next step does not write its message again.
CREATE TABLE requests (
    job INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    body BLOB NOT NULL
);

-- AUTOINCREMENT: a position is never given twice, so that a late mark_sent hits nothing else.
CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    job INTEGER REFERENCES jobs (number) ON DELETE CASCADE,     -- NULL for a rejection
    routing_key TEXT NOT NULL,
    body BLOB NOT NULL,
    recorded_at TEXT NOT NULL,
    sent_at TEXT                            -- when the broker confirmed it
);

CREATE INDEX events_of_job ON events (job) WHERE job IS NOT NULL;
CREATE INDEX events_unsent ON events (position) WHERE sent_at IS NULL;
CREATE INDEX events_of_rejections ON events (sent_at) WHERE job IS NULL;
