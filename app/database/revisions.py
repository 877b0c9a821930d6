"""The statements that read revisions: of many sites at once, four times a second at most, and of one."""

# The list is the setting of this statement alone. Each site is looked up by a sub-select that depends on the setting,
# so that Postgres makes the setting before row security reads it.
READ_LISTED_REVISIONS = """
SELECT known.site_id::text, found.revision
FROM (SELECT set_config('attendance.site_ids', $1::text, true) AS ids) AS listed
CROSS JOIN LATERAL unnest(listed.ids::uuid[], $2::text::bigint[]) AS known (site_id, revision)
CROSS JOIN LATERAL (SELECT revision FROM site_revision WHERE site_id = known.site_id LIMIT 1) AS found
WHERE found.revision <> known.revision
"""
# Without row security. Citus sends it to the shards of the sites.
READ_REVISIONS = "SELECT site_id::text, revision FROM site_revision WHERE site_id = ANY($1::text::uuid[])"
READ_REVISION = "SELECT revision FROM site_revision WHERE site_id = $1"
