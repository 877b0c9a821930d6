// What the schema does not have does not compile. Where it does, the compiler refuses the comment above it.
import { createClient } from './attendance.js';

const client = createClient('/graphql', async () => 'token');

export async function misuse() {
  const record = await client.set({ bookingId: 'b', sessionId: 's', status: 'ATTENDED' });
  const text: string = record.updatedAt;
  // @ts-expect-error
  const number: string = record.numberOfAttendees;
  // @ts-expect-error
  record.missing;
  // @ts-expect-error
  await client.set({ bookingId: 'b', sessionId: 's', status: 'CAME' });
  // @ts-expect-error
  await client.set({ bookingId: 'b', status: 'ATTENDED' });
  return [text, number];
}
