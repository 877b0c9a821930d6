"""The writes of a site as functions, which the coordinator of Citus sends to the site's worker as one command each.

Citus takes apart a statement that inserts what it selects, or what is in a common table expression: it runs the parts
one after another from the coordinator, and ends them by a two-phase commit. In a function that is distributed like the
tables, each statement reads and writes one shard of the worker itself, and its commit is the worker's own.

The first statement raises the counter of the site, and so waits for the writer before it. Those after it see what that
writer has done. They have the same effect as the statements in `app/sql/writes.py`, `app/database/batches.py` and
`app/database/sites.py`, which the tests compare.

A name has a number, because two versions of the service work side by side while one replaces the other: whoever
changes what a function takes or does gives it a new number.
"""

from typing import Any

# Waits for the site's writer before this one.
RAISE_COUNTER = """
    INSERT INTO site_revision AS counter (site_id, revision)
    VALUES (site, 1)
    ON CONFLICT (site_id) DO UPDATE SET revision = counter.revision + 1
    RETURNING revision INTO raised;"""
NEW_NUMBER = """
        number_of_attendees = CASE
            WHEN excluded.id = ANY(without_number) THEN stored.number_of_attendees
            ELSE excluded.number_of_attendees
        END,"""
IS_UNCHANGED = """stored.status = excluded.status
                AND (stored.number_of_attendees = excluded.number_of_attendees OR excluded.id = ANY(without_number))"""
KEEP_OR_CHANGE = f"""
    ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
    SET status = excluded.status,{NEW_NUMBER}
        updated_at = CASE
            WHEN {IS_UNCHANGED}
            THEN stored.updated_at
            ELSE greatest(stored.updated_at, excluded.updated_at)
        END,
        revision = CASE
            WHEN {IS_UNCHANGED}
            THEN stored.revision
            ELSE excluded.revision
        END
    RETURNING stored.id, stored.booking_id, stored.session_id, stored.status, stored.number_of_attendees,
        stored.created_at, stored.updated_at, raised;
"""  # noqa: S608 - put together from constants
# VALUES takes Citus a third of the time that a SELECT takes, but for each row. A SELECT stays within one shard because
# it takes the site from a row of the site.
SET = f"""
CREATE OR REPLACE FUNCTION attendance_set_1(
    site uuid, at timestamptz, ids text, booking_ids text, session_ids text, statuses text, numbers text,
    ids_without_number text
) RETURNS TABLE (
    id uuid, booking_id uuid, session_id text, status text, number_of_attendees integer, created_at timestamptz,
    updated_at timestamptz, site_revision bigint
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    raised bigint;
    new_ids uuid[] := ids::uuid[];
    without_number uuid[] := ids_without_number::uuid[];
BEGIN{RAISE_COUNTER}
    IF cardinality(new_ids) = 1 THEN
    RETURN QUERY
    INSERT INTO attendance AS stored
        (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at, revision)
    VALUES (
        site, new_ids[1], (booking_ids::uuid[])[1], (session_ids::text[])[1], (statuses::text[])[1],
        (numbers::integer[])[1], at, at, raised
    ){KEEP_OR_CHANGE}
    ELSE
    RETURN QUERY
    INSERT INTO attendance AS stored
        (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at, revision)
    SELECT counter.site_id, item.id, item.booking_id, item.session_id, item.status, item.number_of_attendees, at, at,
        raised
    FROM site_revision AS counter
    CROSS JOIN unnest(new_ids, booking_ids::uuid[], session_ids::text[], statuses::text[], numbers::integer[])
        AS item (id, booking_id, session_id, status, number_of_attendees)
    WHERE counter.site_id = site{KEEP_OR_CHANGE}
    END IF;
END
$$
"""  # noqa: S608 - put together from constants
# What is pruned is read before the counter is raised: whoever pruned some of it since has raised the counter's mark.
DELETE = """
CREATE OR REPLACE FUNCTION attendance_delete_3(site uuid, at timestamptz, kept_since timestamptz, ids text)
RETURNS TABLE (id uuid, site_revision bigint) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    raised bigint;
    pruned bigint;
    asked uuid[] := ids::uuid[];
BEGIN
    SELECT coalesce(max(oldest.revision) FILTER (WHERE oldest.deleted_at < kept_since), 0)
    INTO pruned
    FROM (
        SELECT revision, deleted_at FROM attendance_deletion WHERE site_id = site ORDER BY revision, id LIMIT 200
    ) AS oldest;
    INSERT INTO site_revision AS counter (site_id, revision, deletions_pruned_through)
    VALUES (site, 1, pruned)
    ON CONFLICT (site_id) DO UPDATE
    SET revision = counter.revision + 1,
        deletions_pruned_through = greatest(counter.deletions_pruned_through, excluded.deletions_pruned_through)
    RETURNING revision, deletions_pruned_through INTO raised, pruned;
    DELETE FROM attendance_deletion
    WHERE site_id = site
        AND revision <= pruned
        AND id IN (SELECT id FROM attendance_deletion WHERE site_id = site ORDER BY revision, id LIMIT 200);
    RETURN QUERY
    INSERT INTO attendance_deletion AS known (site_id, revision, id, booking_id, session_id, deleted_at)
    SELECT site_id, raised, id, booking_id, session_id, at
    FROM attendance
    WHERE site_id = site AND id = ANY(asked)
    ON CONFLICT (site_id, id) DO UPDATE
    SET revision = excluded.revision,
        booking_id = excluded.booking_id,
        session_id = CASE
            WHEN (known.booking_id, known.session_id) = (excluded.booking_id, excluded.session_id)
            THEN excluded.session_id
            ELSE ''
        END,
        deleted_at = excluded.deleted_at
    RETURNING known.id, known.revision;
    IF FOUND THEN
        DELETE FROM attendance WHERE site_id = site AND id = ANY(asked);
    ELSE
        RETURN QUERY SELECT NULL::uuid, raised;
    END IF;
END
$$
"""

# The shard's statistics may not know a new site: then all indexes cost the same, and the planner may take one in which
# each look-up scans the site. So nothing is looked up row by row: what was created is what the INSERT tells, and the
# deletions are compared with all of it in one pass. A row that the INSERT created has no `xmax`.
IMPORT = f"""
CREATE OR REPLACE FUNCTION attendance_import_2(site uuid, rows_as_json text, OUT created bigint, OUT written bigint)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    given json := rows_as_json::json;
    raised bigint;
    without_number uuid[] := ARRAY(
        SELECT id FROM json_to_recordset(given) AS item (id uuid, number_of_attendees integer)
        WHERE number_of_attendees IS NULL
    );
    kept record;
    created_ids uuid[] := '{{}}';
    created_keys text[] := '{{}}';
BEGIN{RAISE_COUNTER}
    written := 0;
    FOR kept IN
        INSERT INTO attendance AS stored
            (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at, revision)
        SELECT counter.site_id, item.id, item.booking_id, item.session_id, item.status,
            coalesce(item.number_of_attendees, 1), item.created_at, item.updated_at, raised
        FROM site_revision AS counter
        CROSS JOIN json_to_recordset(given) AS item (
            id uuid, booking_id uuid, session_id text, status text, number_of_attendees integer,
            created_at timestamptz, updated_at timestamptz
        )
        WHERE counter.site_id = site
        ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
        SET status = excluded.status,{NEW_NUMBER}
            updated_at = excluded.updated_at,
            revision = excluded.revision
        WHERE stored.status <> excluded.status
            OR (stored.number_of_attendees <> excluded.number_of_attendees AND excluded.id <> ALL(without_number))
        RETURNING stored.id, stored.booking_id, stored.session_id, stored.xmax
    LOOP
        written := written + 1;
        IF kept.xmax::text = '0' THEN
            created_ids := created_ids || kept.id;
            created_keys := created_keys || (kept.id::text || kept.booking_id::text || kept.session_id);
        END IF;
    END LOOP;
    created := cardinality(created_ids);
    IF created > 0 THEN
        DELETE FROM attendance_deletion
        WHERE site_id = site
            AND id = ANY(created_ids)
            AND id::text || booking_id::text || session_id = ANY(created_keys);
    END IF;
END
$$
"""  # noqa: S608 - put together from constants
# Whoever holds the counter is the site's only writer, so what is read stays as it is until it is erased. What to erase
# is a range of an index: ids would be looked up one by one.
ERASE = """
CREATE OR REPLACE FUNCTION attendance_erase_1(site uuid, after_booking uuid, after_session text, most integer)
RETURNS TABLE (records bigint, is_last boolean, booking_id uuid, session_id text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    erased bigint;
    last_booking uuid;
    last_session text;
    last_revision bigint;
    last_id uuid;
BEGIN
    INSERT INTO site_revision AS counter (site_id, revision, deletions_pruned_through)
    VALUES (site, 1, 1)
    ON CONFLICT (site_id) DO UPDATE
    SET revision = counter.revision + 1, deletions_pruned_through = counter.revision + 1;
    SELECT (array_agg(next.booking_id ORDER BY next.booking_id DESC, next.session_id DESC))[1],
        (array_agg(next.session_id ORDER BY next.booking_id DESC, next.session_id DESC))[1]
    INTO last_booking, last_session
    FROM (
        SELECT booking_id, session_id
        FROM attendance
        WHERE site_id = site AND (booking_id, session_id) > (after_booking, after_session)
        ORDER BY booking_id, session_id
        LIMIT most
    ) AS next;
    DELETE FROM attendance
    WHERE site_id = site
        AND (booking_id, session_id) > (after_booking, after_session)
        AND (booking_id, session_id) <= (last_booking, last_session);
    GET DIAGNOSTICS erased = ROW_COUNT;
    SELECT (array_agg(next.revision ORDER BY next.revision DESC, next.id DESC))[1],
        (array_agg(next.id ORDER BY next.revision DESC, next.id DESC))[1]
    INTO last_revision, last_id
    FROM (
        SELECT revision, id FROM attendance_deletion WHERE site_id = site ORDER BY revision, id LIMIT most
    ) AS next;
    DELETE FROM attendance_deletion WHERE site_id = site AND (revision, id) <= (last_revision, last_id);
    RETURN QUERY SELECT erased, last_booking IS NULL AND last_id IS NULL, last_booking, last_session;
END
$$
"""


# The statement that creates each function, by the signature, of which the first argument is the site.
FUNCTIONS = {
    "attendance_set_1(uuid,timestamptz,text,text,text,text,text,text)": SET,
    "attendance_delete_3(uuid,timestamptz,timestamptz,text)": DELETE,
    "attendance_import_2(uuid,text)": IMPORT,
    "attendance_erase_1(uuid,uuid,text,integer)": ERASE,
}


async def create_functions(connection: Any) -> None:
    """Create the functions, or create them again as this version has them, in the first schema of the search_path."""
    for text in FUNCTIONS.values():
        await connection.execute(text)
