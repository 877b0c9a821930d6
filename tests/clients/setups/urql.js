import { Client, fetchExchange, gql } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { retryExchange } from "@urql/exchange-retry";

export const PAGE = gql`
  query SessionPage($sessionId: ID!, $first: Int, $after: String) {
    attendances(perspective: { sessionId: $sessionId }, first: $first, after: $after) {
      edges { cursor node { id bookingId sessionId status numberOfAttendees } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
export const RECORD = gql`
  query Record($id: ID!) {
    attendance(id: $id) { id bookingId sessionId status numberOfAttendees }
  }
`;
export const SET = gql`
  mutation Set($input: AttendanceInput!) {
    setAttendance(input: $input) { attendance { id bookingId sessionId status numberOfAttendees } }
  }
`;
export const DELETE = gql`
  mutation Delete($id: ID!) {
    deleteAttendance(id: $id) { deletedId }
  }
`;

const TEMPORARY = ["SERVICE_UNAVAILABLE", "CONFLICT", "TIMEOUT"];
// Types without an `id`: they belong to what they are in.
const EMBEDDED = [
  "AttendanceConnection", "AttendanceEdge", "AttendanceSummary", "PageInfo", "AttendanceChanges", "AttendanceChange",
  "AbsenceConnection", "AbsenceEdge", "Absence", "SetAttendancePayload", "DeleteAttendancePayload",
  "BulkSetAttendancePayload", "BulkSetAttendanceResult", "BulkDeleteAttendancePayload", "BulkDeleteAttendanceResult",
  "ItemError",
];

function hasCode(error, codes) {
  return error.graphQLErrors.some(({ extensions }) => codes.includes(extensions.code));
}

function createCache() {
  return cacheExchange({
    keys: Object.fromEntries(EMBEDDED.map((name) => [name, () => null])),
    resolvers: {
      Query: {
        attendances: relayPagination(),
        absences: relayPagination(),
        attendance: (_, { id }) => ({ __typename: "Attendance", id }),
      },
      Booking: { attendances: relayPagination() },
      Session: { attendances: relayPagination() },
    },
    updates: {
      Mutation: {
        deleteAttendance: ({ deleteAttendance }, _, cache) =>
          cache.invalidate({ __typename: "Attendance", id: deleteAttendance.deletedId }),
      },
    },
  });
}

// `getToken(true)` gives a new token, `getToken(false)` the one that is in use.
export function createClient(url, getToken) {
  const auth = authExchange(async (utils) => {
    let token = await getToken(false);
    return {
      addAuthToOperation: (operation) => utils.appendHeaders(operation, { authorization: `Bearer ${token}` }),
      didAuthError: (error) => hasCode(error, ["UNAUTHENTICATED"]),
      refreshAuth: async () => { token = await getToken(true); },
    };
  });
  const retry = retryExchange({
    initialDelayMs: 1000,
    maxNumberAttempts: 4,
    retryIf: (error) => Boolean(error.networkError) || hasCode(error, TEMPORARY),
  });
  return new Client({ url, preferGetMethod: false, exchanges: [createCache(), retry, auth, fetchExchange] });
}
