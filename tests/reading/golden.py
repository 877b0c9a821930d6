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
FROM unnest($2::text[]) WITH ORDINALITY AS wanted (value, position)
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
FROM unnest($2::text[]) WITH ORDINALITY AS wanted (value, position)
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
  AND ("status" = ANY($2::text[])) IS TRUE
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
FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (value, position)
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
FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (value, position)
CROSS JOIN LATERAL (
SELECT "id", "status"
FROM "attendance"
WHERE "site_id" = $1
  AND "id" = wanted.value
LIMIT 1
) AS record""",
}
