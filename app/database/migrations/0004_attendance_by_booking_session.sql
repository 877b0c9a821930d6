-- The key of records once more, with what absences count: groups are counted from the index alone.
CREATE UNIQUE INDEX CONCURRENTLY attendance_by_booking_session ON attendance (site_id, booking_id, session_id) INCLUDE (status, number_of_attendees);
