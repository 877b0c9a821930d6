// The part of the schema that the benchmarks ask, and its resolvers over the hand-written statements.

import { randomUUID } from "node:crypto";

const statements = JSON.parse(process.env.BENCHMARK_STATEMENTS);

export const schema = `
  scalar _Any
  union _Entity = Booking
  enum AttendanceStatus { NOT_SET ATTENDED NOT_ATTENDED }
  enum AttendanceOrder { ID_ASC }
  input AttendancePerspective @oneOf { bookingId: ID sessionId: ID }
  input IDFilter @oneOf { eq: ID in: [ID!] }
  input StatusFilter @oneOf { eq: AttendanceStatus in: [AttendanceStatus!] }
  input AttendanceFilter @oneOf { bookingId: IDFilter status: StatusFilter }
  input AttendanceInput { bookingId: ID! sessionId: ID! status: AttendanceStatus! numberOfAttendees: Int }
  type Attendance { id: ID! bookingId: ID! sessionId: ID! status: AttendanceStatus! numberOfAttendees: Int! }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type AttendanceEdge { cursor: String! node: Attendance! }
  type AttendanceSummary {
    total: Int! attended: Int! notAttended: Int! notSet: Int! numberOfAttendees: Int! attendanceRate: Float
  }
  type AttendanceConnection {
    edges: [AttendanceEdge!]! nodes: [Attendance!]! pageInfo: PageInfo! totalCount: Int! summary: AttendanceSummary!
  }
  type Booking { id: ID! attendances(first: Int): AttendanceConnection! }
  type ItemError { code: String! }
  type BulkSetAttendanceResult { index: Int! attendance: Attendance error: ItemError }
  type SetAttendancePayload { attendance: Attendance! }
  type BulkSetAttendancePayload { results: [BulkSetAttendanceResult!]! totalSuccesses: Int! totalFailures: Int! }
  type Query {
    attendance(id: ID!): Attendance
    attendances(
      perspective: AttendancePerspective filter: AttendanceFilter orderBy: [AttendanceOrder!] first: Int
    ): AttendanceConnection!
    _entities(representations: [_Any!]!): [_Entity]!
  }
  type Mutation {
    setAttendance(input: AttendanceInput!): SetAttendancePayload!
    bulkSetAttendance(input: [AttendanceInput!]!): BulkSetAttendancePayload!
  }
`;

const record = ([id, bookingId, sessionId, status, numberOfAttendees]) => ({
  id,
  bookingId,
  sessionId,
  status,
  numberOfAttendees,
});

function connection(rows, size) {
  const edges = rows.slice(0, size).map((row) => ({
    cursor: Buffer.from(row[0]).toString("base64url"),
    node: record(row),
  }));
  return { edges, pageInfo: { hasNextPage: rows.length > size, endCursor: edges.at(-1)?.cursor ?? null } };
}

async function summarise(run, booking) {
  const [row] = await run("summary", statements.SUMMARY, [booking]);
  const [total, attended, notAttended, notSet, numberOfAttendees] = row.map(Number);
  const recorded = attended + notAttended;
  const attendanceRate = recorded ? attended / recorded : null;
  const summary = { total, attended, notAttended, notSet, numberOfAttendees, attendanceRate };
  return { totalCount: total, summary };
}

async function attendances(_, { perspective, filter, first = 50 }, { run }) {
  if (perspective?.bookingId) return summarise(run, perspective.bookingId);
  if (perspective?.sessionId) {
    const values = [perspective.sessionId, filter.status.eq];
    return connection(await run("session", statements.PAGE_OF_SESSION, values), first);
  }
  if (filter) return connection(await run("bookings", statements.PAGE_OF_BOOKINGS, [filter.bookingId.in]), first);
  return connection(await run("page", statements.PAGE, []), first);
}

async function entities(_, { representations }, { run }) {
  const bookings = representations.map(({ id }) => ({ __typename: "Booking", id, rows: [] }));
  const rows = await run("entities", statements.ENTITIES, [bookings.map(({ id }) => id)]);
  for (const [position, id, sessionId, status] of rows) bookings[position - 1].rows.push({ id, sessionId, status });
  return bookings;
}

export const resolvers = {
  _Entity: { resolveType: ({ __typename }) => __typename },
  Booking: { attendances: ({ rows }) => ({ nodes: rows }) },
  Query: {
    attendances,
    _entities: entities,
    attendance: async (_, { id }, { run }) => {
      const [row] = await run("record", statements.RECORD, [id]);
      return row ? record(row) : null;
    },
  },
  Mutation: {
    setAttendance: async (_, { input }, { run }) => {
      const { bookingId, sessionId, status, numberOfAttendees } = input;
      const values = [new Date(), randomUUID(), bookingId, sessionId, status, numberOfAttendees];
      const [row] = await run("set", statements.SET, values);
      return { attendance: record(row) };
    },
    bulkSetAttendance: async (_, { input }, { run }) => {
      const columns = ["bookingId", "sessionId", "status", "numberOfAttendees"];
      const lists = columns.map((column) => input.map((item) => item[column]));
      const rows = await run("bulk", statements.BULK, [new Date(), input.map(() => randomUUID()), ...lists]);
      const stored = new Map(rows.map((row) => [`${row[1]} ${row[2]}`, row]));
      const results = input.map(({ bookingId, sessionId }, index) => ({
        index,
        attendance: record(stored.get(`${bookingId} ${sessionId}`)),
        error: null,
      }));
      return { results, totalSuccesses: results.length, totalFailures: 0 };
    },
  },
};
