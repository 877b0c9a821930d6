-- The attendance records of all sites, and the walls between the sites.

CREATE TABLE attendance (
    site_id uuid NOT NULL,
    id uuid NOT NULL,
    booking_id uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL
        CONSTRAINT attendance_session_id_length CHECK (char_length(session_id) BETWEEN 1 AND 250),
    -- Text and not an enum: under row security only leakproof operators reach an index, and an enum's are not.
    status text COLLATE "C" NOT NULL
        CONSTRAINT attendance_status CHECK (status IN ('NOT_SET', 'ATTENDED', 'NOT_ATTENDED')),
    number_of_attendees integer NOT NULL
        CONSTRAINT attendance_number_of_attendees CHECK (number_of_attendees >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Descending order is ascending order of the negative: every order is then one row comparison on one index.
    number_of_attendees_descending integer GENERATED ALWAYS AS (-number_of_attendees) STORED,
    CONSTRAINT attendance_pkey PRIMARY KEY (site_id, id),
    CONSTRAINT attendance_booking_session UNIQUE (site_id, booking_id, session_id)
);

CREATE INDEX attendance_by_booking ON attendance (site_id, booking_id, id);
CREATE INDEX attendance_by_session ON attendance (site_id, session_id, id);
CREATE INDEX attendance_by_status ON attendance (site_id, status, id);
CREATE INDEX attendance_by_number ON attendance (site_id, number_of_attendees, id);
CREATE INDEX attendance_by_number_descending ON attendance (site_id, number_of_attendees_descending, id);

-- Roles belong to the whole server: another database's migration may have made this one, even at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'attendance_service') THEN
        CREATE ROLE attendance_service NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- The service connects as whoever migrates, and takes this role, as a superuser may take any. Who made the role is its
-- administrator but may not take it before it is granted; who may not grant it needs an administrator to have done so.
DO $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT attendance_service TO %I', current_user);
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        IF NOT pg_has_role(current_user, 'attendance_service', 'MEMBER') THEN
            RAISE;
        END IF;
END
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON attendance TO attendance_service;
GRANT SELECT ON attendance_migrations TO attendance_service;

ALTER TABLE attendance ENABLE ROW LEVEL SECURITY;
ALTER TABLE attendance FORCE ROW LEVEL SECURITY;

-- The sub-select makes the setting a constant of the statement, so that the policy costs nothing a row.
CREATE POLICY attendance_site ON attendance
    USING (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid))
    WITH CHECK (site_id = (SELECT nullif(current_setting('attendance.site_id', true), '')::uuid));
