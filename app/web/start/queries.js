// The GraphQL documents of the views, and the panel that shows the one behind a view.

import { element } from "./elements.js";

export const SESSIONS = `# Sessions of late: those with bookings
# that nobody has marked, then others.
query Sessions {
  unmarked: attendances(
    filter: {status: {eq: NOT_SET}}
    last: 100
  ) {
    nodes { sessionId }
  }
  latest: attendances(last: 100) {
    nodes { sessionId }
  }
}`;

export const SESSION = `# The records of a session. Changes go
# on from changesCursor without a gap.
query Session(
  $id: ID!
  $after: String
) {
  attendances(
    perspective: {sessionId: $id}
    first: 100
    after: $after
  ) {
    nodes {
      id
      bookingId
      status
      numberOfAttendees
      updatedAt
    }
    pageInfo { hasNextPage endCursor }
    changesCursor
  }
}`;

export const MARK = `mutation Mark($input: AttendanceInput!) {
  setAttendance(input: $input) {
    attendance {
      id
      bookingId
      status
      numberOfAttendees
      updatedAt
    }
  }
}`;

export const CHANGES = `subscription Changes(
  $id: ID!
  $after: String
) {
  attendanceChanges(
    perspective: {sessionId: $id}
    after: $after
  ) {
    changes {
      kind
      attendanceId
      attendance {
        id
        bookingId
        status
        numberOfAttendees
        updatedAt
      }
    }
    cursor
  }
}`;

export const ABSENCES = `# Who takes spots and does not come,
# and the sessions most missed.
query Absences($first: Int!) {
  bookings: absences(
    by: BOOKING
    first: $first
  ) {
    totalCount
    nodes {
      booking { id }
      missedShare
      summary { attended notAttended }
    }
  }
  sessions: absences(
    by: SESSION
    first: $first
  ) {
    totalCount
    nodes {
      session { id }
      missedShare
      summary { attended notAttended }
    }
  }
}`;

export const BOOKING = `# All that a booking attended or missed.
query Booking(
  $id: ID!
  $after: String
) {
  attendances(
    perspective: {bookingId: $id}
    first: 100
    after: $after
  ) {
    summary {
      attended
      notAttended
      notSet
      attendanceRate
    }
    nodes {
      id
      sessionId
      status
      numberOfAttendees
      updatedAt
    }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const OVERVIEW = `# What the site's records add up to.
query Overview {
  attendances(first: 0) {
    summary {
      total
      attended
      notAttended
      notSet
      numberOfAttendees
      attendanceRate
    }
  }
  bookings: absences(
    by: BOOKING
    first: 0
  ) { totalCount }
  sessions: absences(
    by: SESSION
    first: 0
  ) { totalCount }
}`;

export function locateInGraphiQL(query, variables) {
  const parameters = new URLSearchParams({ query });
  if (variables) parameters.set("variables", JSON.stringify(variables, null, 2));
  return `graphql?${parameters}`;
}

// Shows documents as [title, query, variables], each with a link that opens it in GraphiQL.
export function showQueries(...documents) {
  const panel = document.getElementById("queries");
  panel.replaceChildren(
    element("h2", {}, "The GraphQL behind this view"),
    ...documents.map(([title, query, variables]) =>
      element(
        "details",
        { open: title === documents[0][0] },
        element("summary", {}, title),
        element("pre", { tabindex: "0", role: "group", "aria-label": `GraphQL: ${title}` }, element("code", {}, query)),
        element("a", { href: locateInGraphiQL(query, variables) }, `Open “${title}” in GraphiQL`),
      ),
    ),
  );
  panel.hidden = false;
}
