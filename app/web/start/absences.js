// Absences: the bookings and the sessions most missed as charts and tables, and the history of a booking.

import { createChart } from "./chart.js";
import {
  element,
  failureBox,
  formatCount,
  formatShare,
  formatTime,
  shortenBooking,
  shortenSession,
  STATUS_WORDS,
} from "./elements.js";
import { ABSENCES, BOOKING, showQueries } from "./queries.js";

const PAGE = 10;
const MORE = 100;
const MINIMUM = "Half or more of at least 3 marks say that nobody came."; // The minima that the query has by default.

const toBooking = ({ booking }) => ({
  id: booking.id,
  label: shortenBooking(booking.id),
  href: `#absences/${encodeURIComponent(booking.id)}`,
});
const toSession = ({ session }) => ({
  id: session.id,
  label: shortenSession(session.id),
  href: `#check-in/${encodeURIComponent(session.id)}`,
});

function createTable(caption, columns, rows) {
  const heads = columns.map((column) => element("th", { scope: "col" }, column));
  const body = rows.map(([first, ...others]) =>
    element("tr", {}, element("th", { scope: "row" }, first), ...others.map((each) => element("td", {}, each))),
  );
  return element(
    "table",
    {},
    element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...body),
  );
}

function createRow({ href, id, label }, { summary, missedShare }) {
  return [
    element("a", { href, title: id }, label),
    formatCount(summary.notAttended),
    formatCount(summary.attended),
    formatShare(missedShare),
  ];
}

function createGroup(title, first, connection, locate, leave, more) {
  const { nodes, totalCount } = connection;
  const heading = element("h2", {}, title);
  if (!nodes.length) return element("section", {}, heading, element("p", {}, "There are none."));
  const subjects = nodes.map(locate);
  const rows = nodes.map((node, index) => createRow(subjects[index], node));
  const bars = nodes.slice(0, PAGE).map(({ summary }, index) => ({ ...subjects[index], ...summary }));
  const rest = totalCount > nodes.length && more;
  return element(
    "section",
    {},
    heading,
    element("p", { class: "note" }, `${formatCount(nodes.length)} of ${formatCount(totalCount)}, the largest share first. ${MINIMUM}`),
    createChart(title, bars, leave),
    createTable(title, [first, "Missed", "Attended", "Share missed"], rows),
    rest ? element("button", { type: "button", onclick: more }, "Show more") : null,
  );
}

function describeHistory(id, summary, nodes, table) {
  return element(
    "section",
    {},
    element("p", {}, element("a", { href: "#absences" }, "← All absences")),
    element("h2", { tabindex: "-1" }, `Booking ${shortenBooking(id)}`),
    element("p", { class: "note id" }, id),
    element(
      "p",
      {},
      `Attended ${formatCount(summary.attended)}, missed ${formatCount(summary.notAttended)}, ` +
        `not marked ${formatCount(summary.notSet)}: an attendance rate of ${formatShare(summary.attendanceRate)}.`,
    ),
    nodes.length ? table : element("p", {}, "No record of this booking."),
  );
}

export function openAbsences(root, client, leave) {
  let stop = new AbortController();

  async function fill(build, again) {
    stop.abort();
    stop = new AbortController();
    const signal = AbortSignal.any([leave, stop.signal]);
    root.setAttribute("aria-busy", "true");
    try {
      const content = await build(signal);
      if (!signal.aborted) root.replaceChildren(...content);
    } catch (failure) {
      if (!signal.aborted) root.replaceChildren(failureBox(failure, again));
    }
    root.setAttribute("aria-busy", "false");
  }

  const list = (first) =>
    fill(async (signal) => {
      showQueries(["Absences", ABSENCES, { first }]);
      const { bookings, sessions } = await client.run(ABSENCES, { first }, signal);
      const more = first < MORE ? () => list(MORE) : null;
      return [
        createGroup("Bookings that missed most", "Booking", bookings, toBooking, signal, more),
        createGroup("Sessions most missed", "Session", sessions, toSession, signal, more),
      ];
    }, () => list(first));

  async function showHistory(id) {
    showQueries(["Booking", BOOKING, { id }]);
    await fill(async (signal) => {
      const nodes = [];
      for (let after = null; ; ) {
        const { attendances } = await client.run(BOOKING, { id, after }, signal);
        nodes.push(...attendances.nodes);
        after = attendances.pageInfo.endCursor;
        if (!attendances.pageInfo.hasNextPage) return [describeHistory(id, attendances.summary, nodes, tabulate(nodes))];
      }
    }, () => showHistory(id));
    root.querySelector("h2")?.focus();
  }

  return { show: (booking) => (booking === null ? list(PAGE) : showHistory(booking)) };
}

function tabulate(nodes) {
  const name = ({ sessionId }) => shortenSession(sessionId);
  const ordered = nodes.toSorted((one, other) => name(one).localeCompare(name(other), "en", { numeric: true }));
  const rows = ordered.map(({ sessionId, status, numberOfAttendees, updatedAt }) => [
    element("a", { href: `#check-in/${encodeURIComponent(sessionId)}`, title: sessionId }, shortenSession(sessionId)),
    element("span", { class: "status", "data-status": status }, STATUS_WORDS[status]),
    status === "ATTENDED" ? formatCount(numberOfAttendees) : "–",
    formatTime(updatedAt),
  ]);
  return createTable("The booking’s sessions", ["Session", "Status", "People", "Last change"], rows);
}
