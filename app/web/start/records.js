// The list of a session's records: each with its status, two buttons to mark it, and the write that failed, if one did.

import { announce, element, formatCount, shortenBooking, STATUS_WORDS } from "./elements.js";

const CHOICES = [
  ["ATTENDED", "Attended"],
  ["NOT_ATTENDED", "Did not attend"],
];

function describeCounts(records) {
  const count = (status) => formatCount(records.filter((record) => record.status === status).length);
  const parts = [`${count("ATTENDED")} attended`, `${count("NOT_ATTENDED")} did not`, `${count("NOT_SET")} not marked`];
  if (!records.length) return "No bookings in this session.";
  return `${formatCount(records.length)} ${records.length === 1 ? "booking" : "bookings"}: ${parts.join(", ")}`;
}

function describeStatus({ status, numberOfAttendees }) {
  if (status !== "ATTENDED") return STATUS_WORDS[status];
  return numberOfAttendees === 1 ? "Attended, 1 person" : `Attended, ${formatCount(numberOfAttendees)} people`;
}

// A row. Its elements stay when the record changes, so that nobody loses the focus to somebody else's mark.
function createRow(record, mark) {
  const name = shortenBooking(record.bookingId);
  const status = element("span", { class: "status" });
  const failure = element("p", { class: "failure", role: "alert" });
  const buttons = CHOICES.map(([value, label]) =>
    element(
      "button",
      { type: "button", "data-value": value, "aria-label": `${label}: booking ${name}`, onclick: () => mark(value) },
      label,
    ),
  );
  const link = element(
    "a",
    { href: `#absences/${record.bookingId}`, title: record.bookingId, "aria-label": `Booking ${name}, its history` },
    name,
  );
  const root = element(
    "li",
    { class: "record", "data-booking": record.bookingId },
    element("span", { class: "booking" }, link),
    status,
    element("span", { class: "marks", role: "group", "aria-label": `Booking ${name}` }, ...buttons),
    failure,
  );
  return {
    root,
    update(shown, saving) {
      root.dataset.status = shown.status;
      root.setAttribute("aria-busy", String(saving !== null));
      status.textContent = saving === null ? describeStatus(shown) : "Saving …";
      for (const button of buttons) {
        button.setAttribute("aria-pressed", String(button.dataset.value === (saving ?? shown.status)));
      }
    },
    fail(value, reason) {
      if (value === null) return failure.replaceChildren();
      const again = element("button", { type: "button", onclick: () => mark(value) }, "Try again");
      failure.replaceChildren(`“${STATUS_WORDS[value]}” was not saved. ${reason} `, again);
    },
  };
}

// `write(record, status)` stores a mark, and gives the record; `onCounts` gets the line above the list.
export function createRecords(write, onCounts) {
  const root = element("ul", { class: "records" });
  const entries = new Map();

  const count = () => onCounts(describeCounts([...entries.values()].map(({ record }) => record)));

  function put(record) {
    let entry = entries.get(record.id);
    if (!entry) {
      entry = { record, saving: null, failed: null };
      entry.row = createRow(record, (status) => save(entry, status));
      entries.set(record.id, entry);
      root.append(entry.row.root);
    }
    entry.record = record;
    if (entry.failed === record.status) settle(entry);
    entry.row.update(record, entry.saving);
    return entry;
  }

  function settle(entry) {
    entry.failed = null;
    entry.row.fail(null);
  }

  function drop(id) {
    entries.get(id)?.row.root.remove();
    entries.delete(id);
  }

  async function save(entry, status) {
    if (entry.saving !== null) return;
    entry.saving = status;
    settle(entry);
    entry.row.update(entry.record, status);
    try {
      const stored = await write(entry.record, status);
      entry.saving = null;
      // Somebody's later mark may have come before the answer.
      put(stored.updatedAt < entry.record.updatedAt ? entry.record : stored);
      announce(`Saved: ${STATUS_WORDS[status]}`);
    } catch (failure) {
      entry.saving = null;
      entry.failed = status;
      entry.row.update(entry.record, null);
      entry.row.fail(status, failure.message);
    }
    count();
  }

  return {
    root,
    replace(records) {
      const ids = new Set(records.map(({ id }) => id));
      for (const id of [...entries.keys()]) if (!ids.has(id)) drop(id);
      records.forEach(put);
      count();
    },
    // Gives the records that somebody else has marked.
    apply(changes) {
      const others = [];
      for (const { kind, attendanceId, attendance } of changes) {
        if (kind === "DELETED") drop(attendanceId);
        else {
          const before = entries.get(attendanceId);
          if (!before || (before.saving === null && before.record.status !== attendance.status)) others.push(attendance);
          put(attendance);
        }
      }
      count();
      return others;
    },
  };
}
