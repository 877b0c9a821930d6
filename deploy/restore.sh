#!/bin/sh
# Restores what deploy/backup.sh has copied into an empty database: deploy/restore.sh URL FILE
#
# Everything is restored, or nothing. What is restored belongs to the URL's user.
set -eu
url=$1
file=$2

ask() {
    psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command "$1" "$url"
}

if [ "$(ask "SELECT to_regclass('attendance') IS NULL")" != t ]; then
    echo "restore: the database is not empty: it has a table of attendance already" >&2
    exit 1
fi

# Roles belong to the server, not to the database, and so are not in the copy. The service logs in as the owner and
# takes its role, as a superuser may take any.
ask "DO \$\$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'attendance_service') THEN
        CREATE ROLE attendance_service NOLOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        AND NOT pg_has_role(current_user, 'attendance_service', 'USAGE') THEN
        EXECUTE format('GRANT attendance_service TO %I', current_user);
    END IF;
END \$\$"

# The owner's policy names the former owner; \`attendance migrate\` makes it anew for this one.
list=$(mktemp)
trap 'rm -f "$list"' EXIT
pg_restore --list "$file" | grep -v ' POLICY .* attendance_all_sites ' >"$list"
pg_restore --no-owner --exit-on-error --single-transaction --use-list="$list" --dbname="$url" "$file"
ask "ANALYZE attendance"
echo "restored; run \`attendance migrate --restart-followers\` and then \`attendance sites\`, which counts the records"
