-- name: holds_anything
SELECT EXISTS (SELECT 1 FROM jobs) OR EXISTS (SELECT 1 FROM events)
    OR EXISTS (SELECT 1 FROM cancels);

-- name: phases
SELECT phase, count(*) AS jobs FROM jobs GROUP BY phase;

-- name: unsent
SELECT count(*) AS events, min(recorded_at) AS oldest FROM events WHERE sent_at IS NULL;

-- name: all_jobs
SELECT jobs.*, requests.body AS request
FROM jobs LEFT JOIN requests ON requests.job = jobs.number
ORDER BY jobs.number;

-- name: one_job
SELECT jobs.*, requests.body AS request
FROM jobs LEFT JOIN requests ON requests.job = jobs.number
WHERE jobs.job_id = :job_id;

-- name: events_of_all_jobs
SELECT * FROM events WHERE job IS NOT NULL ORDER BY job, position;

-- name: events_of_one_job
SELECT * FROM events WHERE job = :job ORDER BY position;

-- name: notices
SELECT * FROM events WHERE job IS NULL ORDER BY position;

-- name: all_cancels
SELECT job_id, requested_at FROM cancels ORDER BY requested_at, job_id;

-- name: one_cancel
SELECT requested_at FROM cancels WHERE job_id = :job_id;

-- name: unmatched_dependencies
SELECT job_id FROM jobs WHERE json_valid(waits_for) AND EXISTS (
    SELECT 1 FROM json_each(jobs.waits_for) WHERE key NOT IN (
        SELECT dependency FROM dependencies WHERE dependencies.job_id = jobs.job_id
    )
)
UNION
SELECT job_id FROM dependencies WHERE NOT EXISTS (
    SELECT 1 FROM jobs, json_each(jobs.waits_for)
    WHERE jobs.job_id = dependencies.job_id AND json_valid(jobs.waits_for) AND key = dependency
);

-- name: schema
SELECT type, name, sql FROM sqlite_master ORDER BY type, name;
