import assert from 'node:assert/strict';
import { CombinedGraphQLErrors } from '@apollo/client';
import { DELETE, PAGE, RECORD, SET, createClient, remove } from './apollo.js';
import { assertRecovered, countRequests, getToken, ids, makeInput, sessionId, url, waitUntil } from './running.mjs';

const client = createClient(url, getToken);
const shown = [];
const watched = client.watchQuery({ query: PAGE, variables: { sessionId, first: 2 } });
watched.subscribe(({ data, dataState }) => dataState === 'complete' && shown.push(data.attendances));
const list = () => shown.at(-1).edges.map(({ node }) => node);
await waitUntil(() => shown.length > 0);
await assertRecovered();

// Pages are joined.
while (shown.at(-1).pageInfo.hasNextPage) {
  const length = list().length;
  await watched.fetchMore({ variables: { after: shown.at(-1).pageInfo.endCursor } });
  await waitUntil(() => list().length > length);
}
assert.deepEqual(list().map(({ id }) => id), ids);

// A record of the list is read from the cache.
const reading = () => client.query({ query: RECORD, variables: { id: ids[3] } });
const [asked, { data }] = await countRequests(reading);
assert.equal(asked, 0);
assert.equal(data.attendance.id, ids[3]);

// A mutation changes the record in the list.
await client.mutate({ mutation: SET, variables: { input: makeInput(data.attendance, { numberOfAttendees: 77 }) } });
await waitUntil(() => list()[3].numberOfAttendees === 77);

// A deleted record leaves the list.
await remove(client, ids[0]);
await waitUntil(() => list().length === ids.length - 1);
assert.deepEqual(list().map(({ id }) => id), ids.slice(1));

// Errors have their codes, and are not sent again.
const [refused, failure] = await countRequests(() =>
  client.mutate({ mutation: DELETE, variables: { id: ids[0] } }).catch((error) => error),
);
assert.ok(CombinedGraphQLErrors.is(failure));
assert.equal(failure.errors[0].extensions.code, 'ATTENDANCE_NOT_FOUND');
assert.equal(refused, 1);
process.exit(0);
