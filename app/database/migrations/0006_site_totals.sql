-- How many records each site has by status, and how many attendees came. Without a row, a query counts the records.
-- This needs no index that a migration before it builds.

CREATE TABLE site_totals (
    site_id uuid NOT NULL,
    -- FALSE until the records of before are counted: the other columns then hold a part of the totals.
    is_counted boolean NOT NULL,
    not_set bigint NOT NULL,
    attended bigint NOT NULL,
    not_attended bigint NOT NULL,
    attendees bigint NOT NULL,
    CONSTRAINT site_totals_pkey PRIMARY KEY (site_id)
) WITH (fillfactor = 50);

GRANT SELECT ON site_totals TO attendance_service;

-- The service only reads. Triggers write as the owner, whom row security binds to nothing here: with
-- policies for writes, each write would take a tenth longer.
ALTER TABLE site_totals ENABLE ROW LEVEL SECURITY;
CREATE POLICY attendance_site ON site_totals FOR SELECT
    USING (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid));
