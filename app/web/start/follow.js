// Keeps a list true: loads it, then applies what changes after it, across lost connections and restarts of the service.

const FIRST_DELAY_MILLISECONDS = 500;
const LAST_DELAY_MILLISECONDS = 10_000;
const FINAL_CODES = new Set(["UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"]);

// Waits, but no longer than until the browser is online again or `signal` aborts.
function wait(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    window.addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}

const isFinal = (failure) => FINAL_CODES.has(failure.code) || failure.status === 401 || failure.status === 403;

// `load` gives the cursor of the list that it has loaded; `subscribe(after, onBatch)` runs one stream. It goes on after
// the last cursor, so nothing is missed; an expired cursor loads the list anew. `report` gets "live", "lost" or
// "failed", and why. Returns when `signal` aborts, or when trying again cannot help.
export async function follow({ load, subscribe, apply, report, signal }) {
  let after = null;
  let delay = FIRST_DELAY_MILLISECONDS;
  const onBatch = ({ changes, cursor }) => {
    apply(changes);
    after = cursor;
    delay = FIRST_DELAY_MILLISECONDS;
    report("live");
  };
  while (!signal.aborted) {
    try {
      after ??= await load();
      await subscribe(after, onBatch);
    } catch (failure) {
      if (signal.aborted) return;
      if (failure.code === "CURSOR_EXPIRED") after = null;
      else if (isFinal(failure)) return report("failed", failure);
      else report("lost", failure);
    }
    await wait(delay, signal);
    delay = Math.min(delay * 2, LAST_DELAY_MILLISECONDS);
  }
}
