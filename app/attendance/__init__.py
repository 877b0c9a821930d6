"""The use cases of attendance: run plans as statements on the database; import, export, demo data."""
