// Check-in: the records of a session, marked here and by others at the same time.

import { announce, element, failureBox, shortenBooking, shortenSession, STATUS_WORDS } from "./elements.js";
import { follow } from "./follow.js";
import { CHANGES, MARK, SESSION, SESSIONS, showQueries } from "./queries.js";
import { createRecords } from "./records.js";

const CONNECTION_WORDS = { live: "Live", lost: "Reconnecting …", offline: "Offline. Marks of others follow.", failed: "" };
const MAX_SUGGESTIONS = 40;

const goTo = (session) => {
  window.location.hash = `#check-in/${encodeURIComponent(session)}`;
};

// Sessions that still have to be marked come first, the fullest of them at the top.
function rankSessions({ unmarked, latest }) {
  const counts = new Map();
  for (const { sessionId } of latest.nodes) counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1);
  for (const { sessionId } of unmarked.nodes) counts.set(sessionId, (counts.get(sessionId) ?? 0) + 1000);
  return [...counts].sort(([, one], [, other]) => other - one).map(([id]) => id).slice(0, MAX_SUGGESTIONS);
}

function createPicker() {
  const select = element("select", { id: "session", onchange: () => goTo(select.value) });
  const input = element("input", { id: "session-id", autocomplete: "off", spellcheck: "false", required: true });
  const typed = element(
    "form",
    { class: "typed", onsubmit: (event) => (event.preventDefault(), goTo(input.value)) },
    element("label", { for: "session-id" }, "or a session’s id"),
    input,
    element("button", { type: "submit" }, "Open"),
  );
  const known = element("div", { class: "known" }, element("label", { for: "session" }, "Session"), select);
  const option = (id) => element("option", { value: id }, shortenSession(id));
  return {
    root: element("div", { class: "picker" }, known, typed),
    list: (sessions) => select.replaceChildren(...sessions.map(option)),
    choose(session) {
      if (![...select.options].some(({ value }) => value === session)) select.prepend(option(session));
      select.value = session;
    },
  };
}

export function openCheckIn(root, client, leave) {
  const picker = createPicker();
  const connection = element("span", { class: "connection", role: "status" });
  const title = element("h2", {});
  const progress = element("p", { class: "progress" });
  const list = element("div", { "aria-busy": "true" });
  root.append(picker.root, element("div", { class: "session-head" }, title, connection), progress, list);
  let suggestions = null;
  let stop = new AbortController();

  // Shows this instead of records.
  function say(content) {
    list.replaceChildren(content);
    list.setAttribute("aria-busy", "false");
  }

  async function suggest() {
    suggestions ??= rankSessions(await client.run(SESSIONS, {}, leave));
    picker.list(suggestions);
    return suggestions[0] ?? null;
  }

  function describe(session) {
    const variables = { id: session };
    const input = { bookingId: "…", sessionId: session, status: "ATTENDED" };
    showQueries(
      ["Session", SESSION, variables],
      ["Changes", CHANGES, variables],
      ["Mark", MARK, { input }],
      ["Sessions", SESSIONS],
    );
  }

  function openSession(session) {
    const signal = AbortSignal.any([leave, stop.signal]);
    const mark = async (record, status) => {
      const input = { bookingId: record.bookingId, sessionId: session, status };
      if (status === "ATTENDED") input.numberOfAttendees = Math.max(1, record.numberOfAttendees);
      return (await client.run(MARK, { input }, leave)).setAttendance.attendance;
    };
    const records = createRecords(mark, (counts) => (progress.textContent = counts));
    title.textContent = shortenSession(session);
    title.title = session;
    list.setAttribute("aria-busy", "true");
    list.replaceChildren(records.root);
    describe(session);
    picker.choose(session);
    return follow({ ...connect(session, records, signal), signal });
  }

  function connect(session, records, signal) {
    return {
      async load() {
        const nodes = [];
        for (let after = null, first = null; ; ) {
          const { attendances } = await client.run(SESSION, { id: session, after }, signal);
          nodes.push(...attendances.nodes);
          first ??= attendances.changesCursor;
          after = attendances.pageInfo.endCursor;
          if (attendances.pageInfo.hasNextPage) continue;
          records.replace(nodes);
          list.setAttribute("aria-busy", "false");
          return first;
        }
      },
      subscribe: (after, onBatch) =>
        client.subscribe(CHANGES, { id: session, after }, signal, (data) => onBatch(data.attendanceChanges)),
      apply(changes) {
        const others = records.apply(changes);
        if (others.length === 1) {
          announce(`Booking ${shortenBooking(others[0].bookingId)}: ${STATUS_WORDS[others[0].status]}`);
        } else if (others.length) announce(`${others.length} records have changed.`);
      },
      report(state, failure) {
        const now = state === "lost" && !navigator.onLine ? "offline" : state;
        connection.dataset.state = now;
        connection.textContent = CONNECTION_WORDS[now];
        if (state === "failed") say(failureBox(failure, () => show(session)));
      },
    };
  }

  async function show(session) {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    try {
      const first = await suggest();
      if (signal.aborted || leave.aborted) return;
      if (session ?? first) openSession(session ?? first);
      else say(element("p", {}, "This site has no records yet."));
    } catch (failure) {
      if (signal.aborted || leave.aborted) return;
      if (!list.hasChildNodes()) say(failureBox(failure, () => show(session)));
    }
  }

  return { show };
}
