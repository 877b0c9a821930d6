// Shows the view that the address names: #check-in, #check-in/SESSION, #absences, #absences/BOOKING or #overview.

import { openAbsences } from "./absences.js";
import { openCheckIn } from "./check_in.js";
import { createClient } from "./client.js";
import { element } from "./elements.js";
import { openOverview } from "./overview.js";
import { connectForm, forgetToken, readToken } from "./tokens.js";

const VIEWS = {
  "check-in": { title: "Check-in", open: openCheckIn },
  absences: { title: "Absences", open: openAbsences },
  overview: { title: "Overview", open: openOverview },
};
const FIRST_VIEW = "check-in";

const place = document.getElementById("view");
const panel = document.getElementById("queries");
const ask = connectForm(() => show(true));
const client = createClient("graphql", readToken, (reason) => {
  forgetToken();
  askForToken(reason);
});
let shown = { name: null, view: null, leave: new AbortController() };

function readAddress() {
  const [name, ...rest] = window.location.hash.slice(1).split("/");
  if (!Object.hasOwn(VIEWS, name)) return { name: FIRST_VIEW, subject: null };
  return { name, subject: decode(rest.join("/")) };
}

function decode(text) {
  try {
    return decodeURIComponent(text) || null;
  } catch {
    return text;
  }
}

function leaveView() {
  shown.leave.abort();
  shown = { name: null, view: null, leave: new AbortController() };
  place.replaceChildren();
  panel.hidden = true;
}

function askForToken(reason) {
  leaveView();
  ask(reason);
}

function markLink(name) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// Opens the view, or only its subject if the view is open already. The focus goes to the heading of a new view.
function show(moved) {
  const { name, subject } = readAddress();
  document.title = `${VIEWS[name].title} · Attendance`;
  markLink(name);
  if (!readToken()) return askForToken("");
  if (shown.name !== name) {
    leaveView();
    document.getElementById("token-form").hidden = true;
    const heading = element("h1", { tabindex: "-1" }, VIEWS[name].title);
    const body = element("div", {});
    place.append(heading, body);
    shown = { name, leave: shown.leave, view: VIEWS[name].open(body, client, shown.leave.signal) };
    if (moved) heading.focus();
  }
  shown.view.show(subject);
}

window.addEventListener("hashchange", () => show(true));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // The address keeps naming the view.
  place.focus();
});
document.getElementById("change-token").addEventListener("click", () => askForToken(""));
show(false);
