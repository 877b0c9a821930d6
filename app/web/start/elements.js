// Builds elements of the page. Texts are set as text, so that no id of a record is ever read as HTML.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Tells a screen reader what has changed on the page.
export function announce(text) {
  document.getElementById("announcement").textContent = text;
}

const HASH = /^[0-9a-f]{24,}:(?=.)/i;
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

// Many session ids begin with an opaque part, which no person can tell from another. The name is one line, and an id that
// shows nothing stands in quotes.
export function shortenSession(id) {
  const name = id.replace(HASH, "").replace(/\s+/g, " ").trim();
  return VISIBLE.test(name) ? name : JSON.stringify(id);
}
export const shortenBooking = (id) => id.slice(0, 8);

const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 0 });
const count = new Intl.NumberFormat("en");
export const formatShare = (share) => (share === null ? "–" : percent.format(share));
export const formatCount = (number) => count.format(number);

export const STATUS_WORDS = { NOT_SET: "Not marked", ATTENDED: "Attended", NOT_ATTENDED: "Did not attend" };

export function formatTime(text) {
  return new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

// A part of a view that failed, with a button to try it again.
export function failureBox(failure, retry) {
  const button = element("button", { type: "button", onclick: retry }, "Try again");
  return element("div", { class: "problem", role: "alert" }, element("p", {}, failure.message), button);
}
