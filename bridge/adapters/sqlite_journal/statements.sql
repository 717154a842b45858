-- INDEXED BY is a promise that SQLite checks: without that index the statement fails at once, where
-- it would otherwise become slow in a big journal.

-- name: insert_job
INSERT INTO jobs (
    job_id, fingerprint, phase, slurm_id, attempt, restart, timeouts, memory_shortages, waits_for,
    tasks, tasks_finished, tasks_failed, tasks_cancelled, sweep, task_index,
    pending_reason, nodes, pulling_since, hindrance, hindering_mount, container_exit_code, exit_code, signal,
    accepted_at, not_before,
    cancel_requested_at, submitting_since, submitted_at, started_at, slurm_started_at, ended_at,
    absent_since, interrupted_since, revision, sequence, told_before, changed_at
) VALUES (
    :job_id, :fingerprint, :phase, :slurm_id, :attempt, :restart, :timeouts, :memory_shortages,
    :waits_for, :tasks, :tasks_finished, :tasks_failed, :tasks_cancelled, :sweep, :task_index,
    :pending_reason, :nodes, :pulling_since, :hindrance, :hindering_mount, :container_exit_code, :exit_code, :signal,
    :accepted_at, :not_before,
    :cancel_requested_at, :submitting_since, :submitted_at, :started_at, :slurm_started_at,
    :ended_at, :absent_since, :interrupted_since, :revision, :sequence, :told_before, :changed_at
)
ON CONFLICT (job_id) DO NOTHING;

-- name: fingerprint
SELECT fingerprint FROM jobs WHERE job_id = :job_id;

-- name: insert_request
INSERT INTO requests (job, body)
SELECT number, :body FROM jobs WHERE job_id = :job_id;

-- name: request
SELECT body FROM requests JOIN jobs ON number = job WHERE job_id = :job_id;

-- name: update_job
UPDATE jobs SET
    phase = :phase, slurm_id = :slurm_id, attempt = :attempt, restart = :restart,
    timeouts = :timeouts, memory_shortages = :memory_shortages, waits_for = :waits_for,
    tasks = :tasks, tasks_finished = :tasks_finished, tasks_failed = :tasks_failed,
    tasks_cancelled = :tasks_cancelled, sweep = :sweep, task_index = :task_index,
    pending_reason = :pending_reason, nodes = :nodes, pulling_since = :pulling_since,
    hindrance = :hindrance, hindering_mount = :hindering_mount, container_exit_code = :container_exit_code,
    exit_code = :exit_code, signal = :signal, accepted_at = :accepted_at,
    not_before = :not_before, cancel_requested_at = :cancel_requested_at,
    submitting_since = :submitting_since, submitted_at = :submitted_at, started_at = :started_at,
    slurm_started_at = :slurm_started_at, ended_at = :ended_at, absent_since = :absent_since,
    interrupted_since = :interrupted_since, revision = :revision, sequence = :sequence,
    changed_at = :changed_at
WHERE job_id = :job_id AND revision = :revision - 1;

-- name: insert_event
INSERT INTO events (event_id, job, routing_key, body, recorded_at)
VALUES (
    :event_id, (SELECT number FROM jobs WHERE job_id = :job_id), :routing_key, :body, :recorded_at
);

-- name: insert_notice
INSERT INTO events (
    event_id, routing_key, body, recorded_at, rejected_job, reply_to, correlation_id
)
VALUES (
    :event_id, :routing_key, :body, :recorded_at, :rejected_job, :reply_to, :correlation_id
)
ON CONFLICT (event_id) DO NOTHING;

-- name: insert_dependencies
-- Of a job that is known, what became of it; of another one, whether its message was rejected.
INSERT INTO dependencies (job_id, dependency, ending, unknown_since)
SELECT :job_id, key,
    CASE
        WHEN known.phase IN ('finished', 'failed', 'cancelled') THEN known.phase
        WHEN known.phase IS NULL AND EXISTS (
            SELECT 1 FROM events INDEXED BY events_of_rejected_jobs
            WHERE rejected_job = key
        ) THEN 'rejected'
    END,
    CASE WHEN known.phase IS NULL THEN :changed_at END
FROM json_each(:waits_for) LEFT JOIN jobs AS known ON known.job_id = key;

-- name: drop_dependencies
DELETE FROM dependencies
WHERE job_id = :job_id AND dependency NOT IN (SELECT key FROM json_each(:waits_for));

-- name: dependency_came
UPDATE dependencies INDEXED BY dependencies_by_dependency SET ending = NULL, unknown_since = NULL
WHERE dependency = :job_id;

-- name: dependency_ended
UPDATE dependencies INDEXED BY dependencies_by_dependency SET ending = :phase
WHERE dependency = :job_id;

-- name: task_started
-- Told to a sweep once: nobody needs to know of its second task.
UPDATE dependencies INDEXED BY dependencies_by_dependency SET ending = 'started'
WHERE dependency = :job_id AND ending IS NULL AND EXISTS (
    SELECT 1 FROM jobs
    WHERE jobs.job_id = dependencies.job_id AND phase = 'array' AND started_at IS NULL
);

-- name: start_told
UPDATE dependencies SET ending = NULL WHERE job_id = :job_id AND ending = 'started';

-- name: dependency_rejected
UPDATE dependencies INDEXED BY dependencies_by_dependency SET ending = 'rejected'
WHERE dependency = :rejected_job AND unknown_since IS NOT NULL;

-- name: endings
SELECT job_id, dependency, ending FROM dependencies INDEXED BY dependencies_ended
WHERE ending IS NOT NULL
ORDER BY job_id
LIMIT :limit;

-- name: unknown_for_long
SELECT job_id, dependency, 'unknown' AS ending FROM dependencies INDEXED BY dependencies_unknown
WHERE unknown_since < :unknown_before AND ending IS NULL
ORDER BY unknown_since
LIMIT :limit;

-- name: awaited
SELECT DISTINCT dependency FROM json_each(:job_ids)
JOIN dependencies INDEXED BY dependencies_by_dependency
    ON dependencies.dependency = json_each.value;

-- name: insert_cancel
INSERT INTO cancels (job_id, requested_at) VALUES (:job_id, :requested_at)
ON CONFLICT (job_id) DO NOTHING;

-- name: cancels
SELECT job_id FROM json_each(:job_ids) JOIN cancels ON cancels.job_id = json_each.value;

-- name: overtaken
-- CROSS JOIN: each cancel's job, and not each job's cancel. Asked when a daemon starts.
SELECT cancels.job_id FROM cancels CROSS JOIN jobs ON jobs.job_id = cancels.job_id
WHERE cancel_requested_at IS NULL AND phase NOT IN ('finished', 'failed', 'cancelled');

-- name: last_notice
SELECT json_each.value AS routing_key, (
    SELECT max(position) FROM events INDEXED BY notices_by_routing_key
    WHERE job IS NULL AND routing_key = json_each.value
) AS last
FROM json_each(:routing_keys)
WHERE last IS NOT NULL
ORDER BY last DESC
LIMIT 1;

-- name: waiting
SELECT * FROM jobs INDEXED BY jobs_waiting
WHERE phase IN ('accepted', 'submitting')
    AND (
        not_before IS NULL OR not_before <= :now
        OR not_before > :furthest OR changed_at > :latest_change
    )
ORDER BY number
LIMIT :limit;

-- name: blocked
SELECT * FROM jobs INDEXED BY jobs_blocked WHERE phase = 'blocked' ORDER BY number;

-- name: pulling
SELECT * FROM jobs INDEXED BY jobs_pulling WHERE phase = 'pulling' ORDER BY number;

-- name: live
SELECT * FROM jobs INDEXED BY jobs_live
WHERE phase IN ('queued', 'held', 'running')
ORDER BY number;

-- name: cancelling
SELECT * FROM jobs INDEXED BY jobs_cancelling
WHERE cancel_requested_at IS NOT NULL AND phase IN ('queued', 'held', 'running')
ORDER BY number;

-- name: jobs
SELECT jobs.* FROM json_each(:job_ids) JOIN jobs ON jobs.job_id = json_each.value;

-- name: unsent
SELECT position, event_id, routing_key, body, reply_to, correlation_id
FROM events INDEXED BY events_unsent
WHERE sent_at IS NULL
ORDER BY position
LIMIT :limit;

-- name: told
SELECT position, body FROM events INDEXED BY events_of_job
WHERE job = (SELECT number FROM jobs WHERE job_id = :job_id) AND position > :after
    AND instr(event_id, '/progress/') = 0
ORDER BY position
LIMIT :limit;

-- name: running
SELECT number AS place, job_id, slurm_id, attempt, restart, told_before, told, read_to, known,
    NOT EXISTS (
        SELECT 1 FROM events
        WHERE event_id = job_id || '/progress/' || told AND sent_at IS NULL
    ) AS is_told
FROM jobs INDEXED BY jobs_running LEFT JOIN progress ON job = number
WHERE phase = 'running' AND number > :after
ORDER BY number
LIMIT :limit;

-- name: readings
SELECT number AS place, jobs.job_id, slurm_id, attempt, restart, told_before, told, read_to, known,
    NOT EXISTS (
        SELECT 1 FROM events
        WHERE event_id = jobs.job_id || '/progress/' || told AND sent_at IS NULL
    ) AS is_told
FROM json_each(:job_ids) JOIN jobs ON jobs.job_id = json_each.value
LEFT JOIN progress ON job = number;

-- name: update_progress
UPDATE progress SET told = :told, read_to = :read_to, known = :known
WHERE job = (SELECT number FROM jobs WHERE job_id = :job_id) AND told = :was;

-- name: insert_progress
INSERT INTO progress (job, told, read_to, known)
SELECT number, :told, :read_to, :known FROM jobs WHERE job_id = :job_id
ON CONFLICT (job) DO NOTHING;

-- name: forget_progress
DELETE FROM events WHERE position IN (
    SELECT position FROM events INDEXED BY events_of_job
    WHERE job = (SELECT number FROM jobs WHERE job_id = :job_id)
        AND instr(event_id, '/progress/') > 0 AND sent_at IS NOT NULL
);

-- name: load
SELECT (
    SELECT count(*) FROM jobs INDEXED BY jobs_waiting WHERE phase IN ('accepted', 'submitting')
) + (
    SELECT count(*) FROM jobs INDEXED BY jobs_blocked WHERE phase = 'blocked'
) + (
    SELECT count(*) FROM jobs INDEXED BY jobs_pulling WHERE phase = 'pulling'
) AS waiting, (
    SELECT count(*) FROM jobs INDEXED BY jobs_live WHERE phase IN ('queued', 'held', 'running')
) AS live;

-- name: mark_sent
UPDATE events SET sent_at = :sent_at WHERE position = :position AND sent_at IS NULL;

-- name: prune_jobs
DELETE FROM jobs WHERE number IN (
    SELECT number FROM jobs AS old INDEXED BY jobs_over
    WHERE phase IN ('finished', 'failed', 'cancelled')
        AND changed_at < :before
        AND NOT EXISTS (SELECT 1 FROM events WHERE job = old.number AND sent_at IS NULL)
    ORDER BY changed_at
    LIMIT :limit
);

-- name: prune_notices
-- The newest of each kind stays, however old: an outage may last longer than anything is kept.
DELETE FROM events WHERE position IN (
    SELECT position FROM events AS old INDEXED BY notices_sent
    WHERE job IS NULL
        AND sent_at < :before
        AND position < (
            SELECT max(position) FROM events INDEXED BY notices_by_routing_key
            WHERE job IS NULL AND routing_key = old.routing_key
        )
    ORDER BY sent_at
    LIMIT :limit
);

-- name: prune_cancels
DELETE FROM cancels WHERE job_id IN (
    SELECT job_id FROM cancels INDEXED BY cancels_by_age
    WHERE requested_at < :before
    ORDER BY requested_at
    LIMIT :limit
);
