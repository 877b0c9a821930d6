-- The index of migration 4 has taken the place of this constraint's: ON CONFLICT names the columns of the key.
-- The service works before this is applied.
ALTER TABLE attendance DROP CONSTRAINT attendance_booking_session;
