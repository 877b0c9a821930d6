import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { RetryLink } from "@apollo/client/link/retry";
import { relayStylePagination } from "@apollo/client/utilities";
import { map } from "rxjs";

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

function createCache() {
  const pages = relayStylePagination(["perspective", "filter", "orderBy"]);
  const absences = relayStylePagination(["by", "minimumRecorded", "minimumMissedShare"]);
  const attendance = (_, { args, toReference }) => toReference({ __typename: "Attendance", id: args.id });
  return new InMemoryCache({
    typePolicies: {
      Query: { fields: { attendances: pages, absences, attendance } },
      Booking: { fields: { attendances: relayStylePagination(["filter", "orderBy"]) } },
      Session: { fields: { attendances: relayStylePagination(["filter", "orderBy"]) } },
    },
  });
}

function hasCode(error, codes) {
  return CombinedGraphQLErrors.is(error) && error.errors.some(({ extensions }) => codes.includes(extensions?.code));
}

// `getToken(true)` gives a new token, `getToken(false)` the one that is in use.
export function createClient(uri, getToken) {
  const retry = new RetryLink({
    delay: { initial: 1000 },
    attempts: { max: 4, retryIf: (error) => !CombinedGraphQLErrors.is(error) || hasCode(error, TEMPORARY) },
  });
  // RetryLink sends again what throws. Other errors stay in the result, with its data.
  const throwTemporary = new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      map((result) => {
        const error = result.errors && new CombinedGraphQLErrors(result);
        if (hasCode(error, TEMPORARY)) throw error;
        return result;
      }),
    ),
  );
  const renewToken = new ErrorLink(({ error, operation, forward }) => {
    if (!hasCode(error, ["UNAUTHENTICATED"])) return undefined;
    operation.setContext({ renew: true });
    return forward(operation);
  });
  const authorize = new SetContextLink(async ({ headers, renew = false }) => ({
    headers: { ...headers, authorization: `Bearer ${await getToken(renew)}` },
    renew: false,
  }));
  const link = ApolloLink.from([retry, throwTemporary, renewToken, authorize, new HttpLink({ uri })]);
  return new ApolloClient({ link, cache: createCache() });
}

export function remove(client, id) {
  return client.mutate({
    mutation: DELETE,
    variables: { id },
    update(cache, { data }) {
      cache.evict({ id: cache.identify({ __typename: "Attendance", id: data.deleteAttendance.deletedId }) });
      cache.gc();
    },
  });
}
