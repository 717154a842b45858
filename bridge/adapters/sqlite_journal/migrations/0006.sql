-- Images that are pulled, and what keeps a job's script from starting the container.
ALTER TABLE jobs ADD COLUMN pulling_since TEXT;
ALTER TABLE jobs ADD COLUMN hindrance TEXT;
