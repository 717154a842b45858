-- How far the progress that jobs write was read and told.

CREATE TABLE progress (
    job INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    told INTEGER NOT NULL,                  -- the number of the last event
    read_to INTEGER NOT NULL,               -- bytes of the file
    known BLOB NOT NULL                     -- what stands just before that place
);

CREATE INDEX jobs_running ON jobs (number) WHERE phase = 'running';
