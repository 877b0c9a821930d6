// Overview: what all records of the site add up to.

import { element, failureBox, formatCount, formatShare } from "./elements.js";
import { OVERVIEW, showQueries } from "./queries.js";

function card(label, value, note, href) {
  const number = element("span", { class: "number" }, value);
  return element(
    "div",
    { class: "card" },
    element("dt", {}, label),
    element("dd", {}, href ? element("a", { href }, number) : number, element("span", { class: "note" }, note)),
  );
}

function shareOf(count, total) {
  return total === 0 ? "" : `${formatShare(count / total)} of all records`;
}

function describe({ attendances: { summary }, bookings, sessions }) {
  const { total, attended, notAttended, notSet, numberOfAttendees, attendanceRate } = summary;
  const rate = element(
    "div",
    { class: "rate" },
    element("p", { id: "rate-label" }, "Attendance rate"),
    element("p", { class: "rate-number" }, formatShare(attendanceRate)),
    element("meter", { min: "0", max: "1", value: String(attendanceRate ?? 0), "aria-labelledby": "rate-label" }),
    element("p", { class: "note" }, `${formatCount(attended)} of ${formatCount(attended + notAttended)} that were marked`),
  );
  const cards = element(
    "dl",
    { class: "cards" },
    card("Records", formatCount(total), "bookings of sessions"),
    card("Attended", formatCount(attended), shareOf(attended, total)),
    card("Did not attend", formatCount(notAttended), shareOf(notAttended, total)),
    card("Not marked", formatCount(notSet), shareOf(notSet, total)),
    card("People who came", formatCount(numberOfAttendees), "walk-ins included"),
    card("Bookings that missed most", formatCount(bookings.totalCount), "missed half of 3 or more", "#absences"),
    card("Sessions most missed", formatCount(sessions.totalCount), "missed by half of 3 or more", "#absences"),
  );
  return [rate, cards];
}

export function openOverview(root, client, leave) {
  async function show() {
    showQueries(["Overview", OVERVIEW]);
    root.setAttribute("aria-busy", "true");
    try {
      root.replaceChildren(...describe(await client.run(OVERVIEW, {}, leave)));
    } catch (failure) {
      if (!leave.aborted) root.replaceChildren(failureBox(failure, show));
    }
    root.setAttribute("aria-busy", "false");
  }
  return { show };
}
