import { ClientError, GraphQLClient, type Variables } from "graphql-request";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { graphql } from "./gql/index.js";
import type { AttendanceInput, SessionPageQuery } from "./gql/graphql.js";

const PAGE = graphql(`
  query SessionPage($sessionId: ID!, $after: String) {
    attendances(perspective: { sessionId: $sessionId }, after: $after, first: 20) {
      nodes { id bookingId sessionId status numberOfAttendees }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const SET = graphql(`
  mutation Set($input: AttendanceInput!) {
    setAttendance(input: $input) { attendance { id bookingId sessionId status numberOfAttendees updatedAt } }
  }
`);
const DELETE = graphql(`
  mutation Delete($id: ID!) {
    deleteAttendance(id: $id) { deletedId }
  }
`);

const TEMPORARY = ["SERVICE_UNAVAILABLE", "CONFLICT", "TIMEOUT"];

// The codes of a failed request. An answer that is none of the service, and no answer at all, count as an outage.
export function readCodes(failure: unknown): string[] {
  const errors = failure instanceof ClientError ? failure.response.errors : undefined;
  return errors?.map(({ extensions }) => String(extensions["code"])) ?? ["SERVICE_UNAVAILABLE"];
}

// `getToken(true)` gives a new token, `getToken(false)` the one that is in use.
export function createClient(url: string, getToken: (renew: boolean) => Promise<string>) {
  const client = new GraphQLClient(url);

  async function request<Data, Given extends Variables>(document: TypedDocumentNode<Data, Given>, variables: Given) {
    let [token, renewed] = [await getToken(false), false];
    for (let attempt = 0; ; attempt++) {
      try {
        const requestHeaders = { authorization: `Bearer ${token}` };
        return await client.request<Data>({ document, variables, requestHeaders });
      } catch (failure) {
        const codes = readCodes(failure);
        if (codes.includes("UNAUTHENTICATED") && !renewed) {
          [token, renewed] = [await getToken(true), true];
        } else if (attempt < 3 && codes.some((code) => TEMPORARY.includes(code))) {
          await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** attempt));
        } else {
          throw failure;
        }
      }
    }
  }

  return {
    async *list(sessionId: string) {
      let after: string | null | undefined = null;
      do {
        const { attendances }: SessionPageQuery = await request(PAGE, { sessionId, after });
        yield* attendances.nodes;
        after = attendances.pageInfo.hasNextPage ? attendances.pageInfo.endCursor : null;
      } while (after);
    },
    set: async (input: AttendanceInput) => (await request(SET, { input })).setAttendance.attendance,
    remove: async (id: string) => (await request(DELETE, { id })).deleteAttendance.deletedId,
  };
}
