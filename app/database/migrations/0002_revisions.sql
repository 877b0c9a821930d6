-- The order of a site's changes: a counter for each site, the revision of each record's last change, and deletions.

-- A statement that writes raises its site's counter first. It holds the row's lock until it commits, so the revisions of
-- a site become visible in their order. The pages keep room, so that raising a counter changes no index.
CREATE TABLE site_revision (
    site_id uuid NOT NULL,
    revision bigint NOT NULL,
    -- Deletions up to the end of this revision may be gone: who knows the site as it was before its end begins again.
    deletions_pruned_through bigint NOT NULL DEFAULT 0,
    CONSTRAINT site_revision_pkey PRIMARY KEY (site_id)
) WITH (fillfactor = 50);

-- A record that was deleted stands here once, at its deletion, until it is imported again with its id.
CREATE TABLE attendance_deletion (
    site_id uuid NOT NULL,
    revision bigint NOT NULL,
    id uuid NOT NULL,
    booking_id uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    deleted_at timestamptz NOT NULL,
    CONSTRAINT attendance_deletion_pkey PRIMARY KEY (site_id, id)
);

CREATE INDEX attendance_deletion_by_revision ON attendance_deletion (site_id, revision, id);

GRANT SELECT, INSERT, UPDATE ON site_revision TO attendance_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON attendance_deletion TO attendance_service;

ALTER TABLE site_revision ENABLE ROW LEVEL SECURITY;
ALTER TABLE site_revision FORCE ROW LEVEL SECURITY;
ALTER TABLE attendance_deletion ENABLE ROW LEVEL SECURITY;
ALTER TABLE attendance_deletion FORCE ROW LEVEL SECURITY;

CREATE POLICY attendance_site ON site_revision
    USING (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid))
    WITH CHECK (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid));
-- The service asks for the revisions of all sites that have streams at once. A session that lists sites sees their
-- revisions, and nothing else of them.
CREATE POLICY attendance_listed_sites ON site_revision FOR SELECT
    USING (site_id IN (SELECT unnest(nullif(current_setting('attendance.site_ids', true), '')::uuid[])));
CREATE POLICY attendance_site ON attendance_deletion
    USING (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid))
    WITH CHECK (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid));

-- Last, because it locks the table until the end of the transaction. The version before writes no revision.
ALTER TABLE attendance ADD COLUMN revision bigint NOT NULL DEFAULT 0;
