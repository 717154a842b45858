-- Which of its mounts kept a job's script from starting the container.
ALTER TABLE jobs ADD COLUMN hindering_mount INTEGER;
