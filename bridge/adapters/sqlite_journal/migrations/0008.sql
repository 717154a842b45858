-- Jobs whose images are looked for, and pulled, before they are submitted.
CREATE INDEX jobs_pulling ON jobs (number) WHERE phase = 'pulling';
