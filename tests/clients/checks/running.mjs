// What the checks share: the arguments of the test, a token that has expired, and how many requests were sent.
import assert from 'node:assert/strict';

const [url, expired, token, sessionId, identifiers] = process.argv.slice(2);
export { url, sessionId };
// The ids of the session's records, in the order of the list.
export const ids = JSON.parse(identifiers);
export const requests = [];

const send = globalThis.fetch;
globalThis.fetch = (...given) => {
  const sent = send(...given);
  requests.push(sent.then(({ status }) => status));
  return sent;
};

// The first token has expired, so that each client has to renew it.
let current = expired;
let renewals = 0;
export async function getToken(renew) {
  if (renew) [current, renewals] = [token, renewals + 1];
  return current;
}

export async function countRequests(action) {
  const before = requests.length;
  const result = await action();
  return [requests.length - before, result];
}

export async function assertRecovered() {
  const statuses = await Promise.all(requests);
  assert.equal(renewals, 1);
  assert.ok(statuses.includes(401), `no request with the expired token: ${statuses}`);
  assert.ok(statuses.includes(503), `no request during the outage: ${statuses}`);
}

export function makeInput(record, changes) {
  const { bookingId, sessionId, status, numberOfAttendees } = record;
  return { bookingId, sessionId, status, numberOfAttendees, ...changes };
}

export async function waitUntil(condition) {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 500, `${condition} is not true`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
