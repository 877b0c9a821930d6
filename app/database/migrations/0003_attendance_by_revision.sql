-- The records of a site in the order of their last changes.
CREATE INDEX CONCURRENTLY attendance_by_revision ON attendance (site_id, revision, id);
