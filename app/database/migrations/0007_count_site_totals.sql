-- Keeps the totals in the transaction that changes the records, whoever changes them.
-- The service works before this is applied.

-- Names have their schema, because the functions run with the rights of the owner, in sessions whose search_path is
-- not the owner's. Where Citus is installed, there are no triggers: it distributes no table that has some.
DO $migration$
DECLARE
    command text;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN;
    END IF;
    -- The sites of before, each found by one index step. `attendance migrate` counts them afterwards, one by one.
    PERFORM set_config('attendance.all_sites', 'on', true);
    INSERT INTO site_totals (site_id, is_counted, not_set, attended, not_attended, attendees)
    WITH RECURSIVE step (site_id) AS (
        (SELECT site_id FROM attendance ORDER BY site_id LIMIT 1)
        UNION ALL
        SELECT (SELECT site_id FROM attendance WHERE site_id > step.site_id ORDER BY site_id LIMIT 1)
        FROM step WHERE site_id IS NOT NULL
    )
    SELECT site_id, false, 0, 0, 0, 0 FROM step WHERE site_id IS NOT NULL
    ON CONFLICT (site_id) DO NOTHING;
    FOREACH command IN ARRAY ARRAY[
-- A site without a row is new, or restored without its totals. It is counted if that takes no time.
$sql$
CREATE FUNCTION %1$I.add_to_site_totals(
    site uuid, more_not_set bigint, more_attended bigint, more_not_attended bigint, more_attendees bigint
) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
    LOOP
        UPDATE %1$I.site_totals
        SET not_set = not_set + more_not_set,
            attended = attended + more_attended,
            not_attended = not_attended + more_not_attended,
            attendees = attendees + more_attendees
        WHERE site_id = site;
        EXIT WHEN FOUND;
        INSERT INTO %1$I.site_totals (site_id, is_counted, not_set, attended, not_attended, attendees)
        SELECT site,
            count(*) <= 10000,
            count(*) FILTER (WHERE status = 'NOT_SET'),
            count(*) FILTER (WHERE status = 'ATTENDED'),
            count(*) FILTER (WHERE status = 'NOT_ATTENDED'),
            coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'), 0)
        FROM (
            SELECT status, number_of_attendees FROM %1$I.attendance WHERE site_id = site LIMIT 10001
        ) AS known
        ON CONFLICT (site_id) DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
END
$function$
$sql$,
-- Most statements write one record, and leave one of the two triggers of an upsert nothing to do. So both are found
-- out first, by one short statement.
$sql$
CREATE FUNCTION %1$I.count_new_or_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
DECLARE
    sign integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
    records bigint;
    site uuid;
    its_status text;
    its_number integer;
    sums record;
BEGIN
    SELECT (SELECT count(*) FROM counted), site_id, status, number_of_attendees
    INTO records, site, its_status, its_number
    FROM counted LIMIT 1;
    IF records = 1 THEN
        PERFORM %1$I.add_to_site_totals(
            site,
            CASE its_status WHEN 'NOT_SET' THEN sign ELSE 0 END,
            CASE its_status WHEN 'ATTENDED' THEN sign ELSE 0 END,
            CASE its_status WHEN 'NOT_ATTENDED' THEN sign ELSE 0 END,
            CASE its_status WHEN 'ATTENDED' THEN sign * its_number ELSE 0 END
        );
    ELSIF records > 1 THEN
        FOR sums IN
            SELECT site_id,
                count(*) FILTER (WHERE status = 'NOT_SET') AS not_set,
                count(*) FILTER (WHERE status = 'ATTENDED') AS attended,
                count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended,
                coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'), 0) AS attendees
            FROM counted
            GROUP BY site_id ORDER BY site_id
        LOOP
            PERFORM %1$I.add_to_site_totals(
                sums.site_id, sign * sums.not_set, sign * sums.attended, sign * sums.not_attended, sign * sums.attendees
            );
        END LOOP;
    END IF;
    RETURN NULL;
END
$function$
$sql$,
$sql$
CREATE FUNCTION %1$I.count_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
DECLARE
    records bigint;
    site uuid;
    old_status text;
    old_number integer;
    new_status text;
    new_number integer;
    sums record;
BEGIN
    SELECT (SELECT count(*) FROM new_records),
        after.site_id, before.status, before.number_of_attendees, after.status, after.number_of_attendees
    INTO records, site, old_status, old_number, new_status, new_number
    FROM old_records AS before, new_records AS after LIMIT 1;
    IF records = 1 THEN
        IF (old_status, old_number) <> (new_status, new_number) THEN
            PERFORM %1$I.add_to_site_totals(
                site,
                (new_status = 'NOT_SET')::integer - (old_status = 'NOT_SET')::integer,
                (new_status = 'ATTENDED')::integer - (old_status = 'ATTENDED')::integer,
                (new_status = 'NOT_ATTENDED')::integer - (old_status = 'NOT_ATTENDED')::integer,
                CASE new_status WHEN 'ATTENDED' THEN new_number ELSE 0 END::bigint
                    - CASE old_status WHEN 'ATTENDED' THEN old_number ELSE 0 END
            );
        END IF;
    ELSIF records > 1 THEN
        FOR sums IN
            SELECT site_id,
                coalesce(sum(sign) FILTER (WHERE status = 'NOT_SET'), 0) AS not_set,
                coalesce(sum(sign) FILTER (WHERE status = 'ATTENDED'), 0) AS attended,
                coalesce(sum(sign) FILTER (WHERE status = 'NOT_ATTENDED'), 0) AS not_attended,
                coalesce(sum(number) FILTER (WHERE status = 'ATTENDED'), 0) AS attendees
            FROM (
                SELECT site_id, status, number_of_attendees AS number, 1 AS sign FROM new_records
                UNION ALL
                SELECT site_id, status, -number_of_attendees, -1 FROM old_records
            ) AS counted
            GROUP BY site_id ORDER BY site_id
        LOOP
            IF (sums.not_set, sums.attended, sums.not_attended, sums.attendees) <> (0, 0, 0, 0) THEN
                PERFORM %1$I.add_to_site_totals(
                    sums.site_id, sums.not_set, sums.attended, sums.not_attended, sums.attendees
                );
            END IF;
        END LOOP;
    END IF;
    RETURN NULL;
END
$function$
$sql$,
$sql$
CREATE FUNCTION %1$I.forget_site_totals() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $function$
BEGIN
    DELETE FROM %1$I.site_totals;
    RETURN NULL;
END
$function$
$sql$,
-- Nobody else may write totals by these functions, nor by triggers on tables of their own.
'REVOKE EXECUTE ON FUNCTION %1$I.add_to_site_totals, %1$I.count_new_or_deleted, %1$I.count_changed,
    %1$I.forget_site_totals FROM PUBLIC',
-- Last, because they lock the table until the end of the transaction: writers wait, readers do not.
'CREATE TRIGGER attendance_created AFTER INSERT ON %1$I.attendance
    REFERENCING NEW TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION %1$I.count_new_or_deleted()',
'CREATE TRIGGER attendance_deleted AFTER DELETE ON %1$I.attendance
    REFERENCING OLD TABLE AS counted FOR EACH STATEMENT EXECUTE FUNCTION %1$I.count_new_or_deleted()',
'CREATE TRIGGER attendance_changed AFTER UPDATE ON %1$I.attendance
    REFERENCING OLD TABLE AS old_records NEW TABLE AS new_records
    FOR EACH STATEMENT EXECUTE FUNCTION %1$I.count_changed()',
'CREATE TRIGGER attendance_emptied AFTER TRUNCATE ON %1$I.attendance
    FOR EACH STATEMENT EXECUTE FUNCTION %1$I.forget_site_totals()'
    ] LOOP
        EXECUTE format(command, (
            SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE pg_class.oid = 'attendance'::regclass
        ));
    END LOOP;
END
$migration$;
