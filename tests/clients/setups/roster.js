import { Environment, Network, RecordSource, Store, commitMutation, graphql } from "relay-runtime";

export const PAGE = graphql`
  query rosterQuery($sessionId: ID!) {
    ...roster_attendances @arguments(sessionId: $sessionId)
  }
`;
export const LIST = graphql`
  fragment roster_attendances on Query
  @refetchable(queryName: "rosterPaginationQuery")
  @argumentDefinitions(
    sessionId: { type: "ID!" }
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
  ) {
    attendances(perspective: { sessionId: $sessionId }, first: $count, after: $cursor)
      @connection(key: "roster_attendances", filters: ["perspective"]) {
      __id
      edges { node { id ...roster_record } }
    }
  }
`;
// One record, which Relay reads again by `Query.node`.
export const RECORD = graphql`
  fragment roster_record on Attendance @refetchable(queryName: "rosterRecordQuery") {
    id
    bookingId
    sessionId
    status
    numberOfAttendees
  }
`;
const SET = graphql`
  mutation rosterSetMutation($input: AttendanceInput!) {
    setAttendance(input: $input) { attendance { ...roster_record } }
  }
`;
const ADD = graphql`
  mutation rosterAddMutation($input: AttendanceInput!, $connections: [ID!]!) {
    setAttendance(input: $input) {
      attendance @appendNode(connections: $connections, edgeTypeName: "AttendanceEdge") { ...roster_record }
    }
  }
`;
const DELETE = graphql`
  mutation rosterDeleteMutation($id: ID!, $connections: [ID!]!) {
    deleteAttendance(id: $id) { deletedId @deleteEdge(connections: $connections) @deleteRecord }
  }
`;

const TEMPORARY = ["SERVICE_UNAVAILABLE", "CONFLICT", "TIMEOUT"];

// `getToken(true)` gives a new token, `getToken(false)` the one that is in use.
export function createEnvironment(url, getToken) {
  async function send(query, variables, token) {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
    return response.json();
  }
  async function sendUntilAnswered({ text }, variables) {
    let [token, renewed] = [await getToken(false), false];
    for (let attempt = 0; ; attempt++) {
      const payload = await send(text, variables, token).catch((failure) => failure);
      const codes = payload instanceof Error ? TEMPORARY : (payload.errors ?? []).map(({ extensions }) => extensions.code);
      if (codes.includes("UNAUTHENTICATED") && !renewed) [token, renewed] = [await getToken(true), true];
      else if (attempt < 3 && codes.some((code) => TEMPORARY.includes(code)))
        await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** attempt));
      else if (payload instanceof Error) throw payload;
      else return payload;
    }
  }
  return new Environment({ network: Network.create(sendUntilAnswered), store: new Store(new RecordSource()) });
}

function commit(environment, mutation, variables) {
  return new Promise((resolve, reject) => {
    commitMutation(environment, {
      mutation,
      variables,
      onCompleted: (data, errors) => (errors?.length ? reject(errors[0]) : resolve(data)),
      onError: reject,
    });
  });
}

// A record that is in the store already. What shows it is told.
export const set = (environment, input) => commit(environment, SET, { input });
// A record that is new to the list whose `__id` is given.
export const add = (environment, input, list) => commit(environment, ADD, { input, connections: [list] });
export const remove = (environment, id, list) => commit(environment, DELETE, { id, connections: [list] });
