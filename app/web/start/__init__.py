"""The start page: check-in, absences and an overview of a site, for people who would rather look than read."""
