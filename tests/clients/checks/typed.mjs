import assert from 'node:assert/strict';
import { createClient, readCodes } from './attendance.js';
import { assertRecovered, countRequests, getToken, ids, makeInput, sessionId, url } from './running.mjs';

const client = createClient(url, getToken);
async function list() {
  const records = [];
  for await (const record of client.list(sessionId)) records.push(record);
  return records;
}
const records = await list();
await assertRecovered();
assert.deepEqual(records.map(({ id }) => id), ids);

const changed = await client.set(makeInput(records[3], { numberOfAttendees: 77 }));
assert.equal(changed.id, ids[3]);
assert.equal(await client.remove(ids[0]), ids[0]);
const left = await list();
assert.deepEqual(left.map(({ id }) => id), ids.slice(1));
assert.equal(left[2].numberOfAttendees, 77);

// Errors have their codes, and are not sent again.
const [refused, failure] = await countRequests(() => client.remove(ids[0]).catch((error) => error));
assert.deepEqual(readCodes(failure), ['ATTENDANCE_NOT_FOUND']);
assert.equal(refused, 1);
process.exit(0);
