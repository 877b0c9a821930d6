"""The texts of statements, one of each shape, as `test_sql` expects them."""

GOLDEN = {
    "a page": """\
SELECT "status", "id"
FROM "attendance"
WHERE "site_id" = $1
ORDER BY "id"
LIMIT 3""",
    "a range backward": """\
SELECT page.*, neighbours.*
FROM (SELECT (SELECT TRUE
FROM "attendance"
WHERE "site_id" = $1
  AND ("number_of_attendees_descending", "id") <= ($2, $3)
ORDER BY "number_of_attendees_descending" DESC, "id" DESC
LIMIT 1) AS has_before, (SELECT TRUE
FROM "attendance"
WHERE "site_id" = $1
  AND ("number_of_attendees_descending", "id") >= ($4, $5)
ORDER BY "number_of_attendees_descending", "id"
LIMIT 1) AS has_after) AS neighbours
LEFT JOIN LATERAL (
SELECT *
FROM (
SELECT "status", "number_of_attendees", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND ("number_of_attendees_descending", "id") < ($4, $5)
ORDER BY "number_of_attendees_descending" DESC, "id" DESC
LIMIT 3
) AS found
WHERE (-"number_of_attendees", "id") > ($2, $3)
) AS page ON TRUE""",
    "a value": """\
SELECT "status", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND "status" = (SELECT $2::text)
ORDER BY "id"
LIMIT 3""",
    "several values": """\
SELECT page.*, neighbours.*
FROM (SELECT (SELECT TRUE
FROM unnest($2::text::text[]) WITH ORDINALITY AS wanted (value, position)
CROSS JOIN LATERAL (
SELECT TRUE
FROM "attendance"
WHERE "site_id" = $1
  AND "status" = wanted.value
  AND "id" <= $3
ORDER BY "id" DESC
LIMIT 1
) AS slice
LIMIT 1) AS has_before) AS neighbours
LEFT JOIN LATERAL (
SELECT slice.*
FROM unnest($2::text::text[]) WITH ORDINALITY AS wanted (value, position)
CROSS JOIN LATERAL (
SELECT "status", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND "status" = wanted.value
  AND "id" > $3
ORDER BY "id"
LIMIT 3
) AS slice
ORDER BY "id"
LIMIT 3
) AS page ON TRUE""",
    "a range of numbers": """\
SELECT slice.*
FROM (
WITH RECURSIVE step (value) AS (
(SELECT "number_of_attendees" FROM "attendance" WHERE "site_id" = $1 ORDER BY "number_of_attendees" LIMIT 1)
UNION ALL
SELECT (SELECT "number_of_attendees" FROM "attendance" WHERE "site_id" = $1
  AND "number_of_attendees" > step.value ORDER BY "number_of_attendees" LIMIT 1) FROM step WHERE value IS NOT NULL
)
SELECT value FROM step WHERE value > $2
) AS wanted
CROSS JOIN LATERAL (
SELECT "status", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND "number_of_attendees" = wanted.value
ORDER BY "id"
LIMIT 3
) AS slice
ORDER BY "id"
LIMIT 3""",
    "a range of its own order": """\
SELECT "status", "number_of_attendees", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND "number_of_attendees_descending" < $2
ORDER BY "number_of_attendees_descending", "id"
LIMIT 3""",
    "a filter in another order": """\
SELECT "status", "number_of_attendees", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND ("status" = ANY((SELECT $2::text::text[])::text[])) IS TRUE
ORDER BY "number_of_attendees_descending", "id"
LIMIT 3""",
    "a perspective to be sorted": """\
SELECT "status", "number_of_attendees", "id"
FROM (
SELECT * FROM "attendance" WHERE "site_id" = $1
  AND "session_id" = (SELECT $2::text) OFFSET 0
) AS records
WHERE ("status" = $3) IS TRUE
ORDER BY "number_of_attendees_descending", "id"
LIMIT 3""",
    "connections": """\
SELECT "status", "id"::text AS "id", wanted.position AS parent_position, figures.*
FROM unnest($2::text::uuid[]) WITH ORDINALITY AS wanted (value, position)
CROSS JOIN LATERAL (
SELECT count(*) AS total
FROM "attendance"
WHERE "site_id" = $1
  AND "booking_id" = wanted.value
) AS figures
LEFT JOIN LATERAL (
SELECT "status", "id"
FROM "attendance"
WHERE "site_id" = $1
  AND "booking_id" = wanted.value
ORDER BY "id"
LIMIT 3
) AS page ON TRUE""",
    "records": """\
SELECT "id"::text AS "id", "status"
FROM unnest($2::text::uuid[]) WITH ORDINALITY AS wanted (value, position)
CROSS JOIN LATERAL (
SELECT "id", "status"
FROM "attendance"
WHERE "site_id" = $1
  AND "id" = wanted.value
LIMIT 1
) AS record""",
    "absences of bookings": """\
WITH absence AS (
SELECT counted.*, not_attended / nullif(attended + not_attended, 0)::double precision AS missed_share
FROM (
SELECT "booking_id" AS key,
count(*) AS total,
count(*) FILTER (WHERE status = 'ATTENDED') AS attended,
count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended
FROM "attendance"
WHERE "site_id" = $1
GROUP BY "booking_id"
) AS counted
WHERE attended + not_attended >= $2::bigint
  AND not_attended / nullif(attended + not_attended, 0)::double precision >= $3::double precision
)
SELECT key AS "booking_id", total, missed_share, not_attended, key
FROM absence
ORDER BY -missed_share, -not_attended, key
LIMIT 3""",
    "absences of sessions in a range": """\
WITH absence AS (
SELECT counted.*, not_attended / nullif(attended + not_attended, 0)::double precision AS missed_share
FROM (
SELECT "session_id" AS key,
count(*) AS total,
count(*) FILTER (WHERE status = 'ATTENDED') AS attended,
count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended
FROM "attendance"
WHERE "site_id" = $1
GROUP BY "session_id"
) AS counted
WHERE attended + not_attended >= $2::bigint
  AND not_attended / nullif(attended + not_attended, 0)::double precision >= $3::double precision
)
SELECT page.*, around.*
FROM (SELECT EXISTS (
SELECT FROM absence
WHERE (-missed_share, -not_attended, key) <= (-$4::double precision, -$5::bigint, $6::text)
) AS has_before,
EXISTS (
SELECT FROM absence
WHERE (-missed_share, -not_attended, key) >= (-$7::double precision, -$8::bigint, $9::text)
) AS has_after,
(SELECT count(*) FROM absence) AS absence_count) AS around
LEFT JOIN LATERAL (
SELECT NULL::uuid AS "booking_id", total, missed_share, not_attended, key
FROM absence
WHERE (-missed_share, -not_attended, key) > (-$4::double precision, -$5::bigint, $6::text)
  AND (-missed_share, -not_attended, key) < (-$7::double precision, -$8::bigint, $9::text)
ORDER BY -missed_share DESC, -not_attended DESC, key DESC
LIMIT 3
) AS page ON TRUE""",
}
