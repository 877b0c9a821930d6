import assert from 'node:assert/strict';
import relay from 'relay-runtime';
import { LIST, PAGE, RECORD, add, createEnvironment, remove, set } from './roster.mjs';
import { assertRecovered, countRequests, getToken, ids, makeInput, sessionId, url, waitUntil } from './running.mjs';

const { createOperationDescriptor, fetchQuery, getSelector, getRefetchMetadata, getPaginationMetadata } = relay;
const environment = createEnvironment(url, getToken);
const operation = createOperationDescriptor(PAGE, { sessionId });
environment.retain(operation);
const root = await fetchQuery(environment, PAGE, { sessionId }).toPromise();
await assertRecovered();

const fragment = getSelector(LIST, root);
let shown = environment.lookup(fragment).data.attendances;
environment.subscribe(environment.lookup(fragment), ({ data }) => (shown = data.attendances));
const list = () => shown.edges.map(({ node }) => node.id);
const read = (index) => environment.lookup(getSelector(RECORD, shown.edges[index].node)).data;

// The pagination fragment's query joins pages, as usePaginationFragment does.
const { refetchableRequest: nextPage } = getRefetchMetadata(LIST, 'check');
assert.deepEqual(getPaginationMetadata(LIST, 'check').connectionPathInFragmentData, ['attendances']);
while (shown.pageInfo.hasNextPage) {
  const variables = { sessionId, count: 2, cursor: shown.pageInfo.endCursor };
  const length = list().length;
  await fetchQuery(environment, nextPage, variables, { networkCacheConfig: { force: true } }).toPromise();
  assert.ok(list().length > length);
}
assert.deepEqual(list(), ids);

// A mutation changes the record in the list.
await set(environment, makeInput(read(3), { numberOfAttendees: 77 }));
assert.equal(read(3).numberOfAttendees, 77);

// A record that somebody else changes is read again by its id.
const { refetchableRequest: refetch, identifierInfo } = getRefetchMetadata(RECORD, 'check');
assert.equal(identifierInfo.identifierField, 'id');
assert.match(refetch.params.text, /node\(id: \$id\)/);
const other = createEnvironment(url, getToken);
await set(other, makeInput(read(3), { numberOfAttendees: 78 }));
assert.equal(read(3).numberOfAttendees, 77);
await fetchQuery(environment, refetch, { id: ids[3] }, { networkCacheConfig: { force: true } }).toPromise();
assert.equal(read(3).numberOfAttendees, 78);

// A new record enters the list, and a deleted one leaves it.
const bookingId = crypto.randomUUID();
await add(environment, { bookingId, sessionId, status: 'ATTENDED' }, shown.__id);
assert.equal(read(ids.length).bookingId, bookingId);
await remove(environment, ids[0], shown.__id);
await waitUntil(() => list().length === ids.length);
assert.deepEqual(list().slice(0, -1), ids.slice(1));

// Errors have their codes, and are not sent again.
const [refused, failure] = await countRequests(() => remove(environment, ids[0], shown.__id).catch((error) => error));
assert.equal((failure.source?.errors ?? [failure])[0].extensions.code, 'ATTENDANCE_NOT_FOUND');
assert.equal(refused, 1);
process.exit(0);
