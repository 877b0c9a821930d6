import assert from 'node:assert/strict';
import { DELETE, PAGE, RECORD, SET, createClient } from './urql.js';
import { assertRecovered, countRequests, getToken, ids, makeInput, sessionId, url, waitUntil } from './running.mjs';

const client = createClient(url, getToken);
let shown;
function show(after) {
  client.query(PAGE, { sessionId, first: 2, after }).subscribe(({ data, error }) => {
    assert.equal(error, undefined);
    if (data) shown = data.attendances;
  });
}
const list = () => shown.edges.map(({ node }) => node);
show(null);
await waitUntil(() => shown);
await assertRecovered();

// Pages are joined.
while (shown.pageInfo.hasNextPage) {
  const length = list().length;
  show(shown.pageInfo.endCursor);
  await waitUntil(() => list().length > length);
}
assert.deepEqual(list().map(({ id }) => id), ids);

// A record of the list is read from the cache.
const [asked, { data }] = await countRequests(() => client.query(RECORD, { id: ids[3] }));
assert.equal(asked, 0);
assert.equal(data.attendance.id, ids[3]);

// A mutation changes the record in the list.
const [sent] = await countRequests(() =>
  client.mutation(SET, { input: makeInput(data.attendance, { numberOfAttendees: 77 }) }),
);
assert.equal(sent, 1);
await waitUntil(() => list()[3].numberOfAttendees === 77);

// A deleted record leaves the list.
await client.mutation(DELETE, { id: ids[0] });
await waitUntil(() => list().length === ids.length - 1);
assert.deepEqual(list().map(({ id }) => id), ids.slice(1));

// Errors have their codes, and are not sent again.
const [refused, { error }] = await countRequests(() => client.mutation(DELETE, { id: ids[0] }));
assert.equal(error.graphQLErrors[0].extensions.code, 'ATTENDANCE_NOT_FOUND');
assert.equal(refused, 1);
process.exit(0);
