// The token of this tab: the one that a person has given, or else the one that the page was given.

const KEY = "attendance:token";
let kept = null; // Where the browser's settings forbid storage, it is kept as long as the page is open.

function openStorage() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

export function readToken() {
  return kept ?? openStorage()?.getItem(KEY) ?? document.body.dataset.token;
}

function keepToken(token) {
  kept = token;
  openStorage()?.setItem(KEY, token);
}

export function forgetToken() {
  kept = null;
  openStorage()?.removeItem(KEY);
}

// Shows the form that asks for a token instead of the view, and calls `proceed` when it has one.
export function connectForm(proceed) {
  const form = document.getElementById("token-form");
  const input = document.getElementById("token");
  const problem = document.getElementById("token-problem");
  const cancel = document.getElementById("keep-token");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(input.value.trim().replace(/^Bearer\s+/i, ""));
    leave();
  });
  cancel.addEventListener("click", leave);
  function leave() {
    input.value = "";
    form.hidden = true;
    proceed();
  }
  return function ask(reason = "") {
    problem.textContent = reason;
    cancel.hidden = !readToken();
    form.hidden = false;
    form.querySelector("h1").focus();
  };
}
