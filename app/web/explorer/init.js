// Starts GraphiQL on the GraphQL endpoint whose address this page has, with what the page's data attributes hold.
(() => {
  "use strict";

  const STORAGE_PREFIX = "attendance:";
  const HEADERS_KEY = "graphiql:headers";
  const KEYS_WITH_HEADERS = new Set(["graphiql:tabState", "graphiql:queries", "graphiql:favorites"]);
  const FIRST_VALUES = { "graphiql:secondaryEditorFlex": "7" }; // The header editor needs few lines.

  // What GraphiQL keeps in the browser, but for headers: a token must not stay there, and one of an earlier run must
  // not come back. They are left out when GraphiQL stores them, and read as those that this page was given. (Its own
  // setting does less: its history stores headers all the same, and gives none back to a tab that was reloaded.)
  function createStorage(store, headers) {
    const replaceHeaders = (text, value) => JSON.stringify(JSON.parse(text), (key, old) => (key === "headers" ? value : old));
    const ownKeys = () => Object.keys(store).filter((key) => key.startsWith(STORAGE_PREFIX));
    return {
      getItem(key) {
        const text = store.getItem(STORAGE_PREFIX + key);
        if (text === null) return FIRST_VALUES[key] ?? null;
        return KEYS_WITH_HEADERS.has(key) ? replaceHeaders(text, headers) : text;
      },
      setItem(key, text) {
        if (key === HEADERS_KEY) return;
        store.setItem(STORAGE_PREFIX + key, KEYS_WITH_HEADERS.has(key) ? replaceHeaders(text, null) : text);
      },
      removeItem: (key) => store.removeItem(STORAGE_PREFIX + key),
      clear: () => ownKeys().forEach((key) => store.removeItem(key)),
      get length() {
        return ownKeys().length;
      },
    };
  }

  function openStorage(headers) {
    try {
      return createStorage(window.localStorage, headers);
    } catch {
      return null; // The browser's settings forbid it: GraphiQL then remembers nothing.
    }
  }

  // What the address asks for comes first, then what was last edited, then the page's first query.
  function chooseDocument(parameters, storage, firstQuery) {
    if (parameters.has("query")) {
      return { query: parameters.get("query"), variables: parameters.get("variables") ?? "" };
    }
    return { query: storage?.getItem("graphiql:query") ?? firstQuery, variables: parameters.get("variables") ?? undefined };
  }

  const element = document.getElementById("explorer");
  const { query: firstQuery, headers } = element.dataset;
  const parameters = new URLSearchParams(window.location.search);
  const storage = openStorage(headers);
  const start = chooseDocument(parameters, storage, firstQuery);
  const fetcher = GraphiQL.createFetcher({
    url: window.location.pathname,
    headers: { accept: "application/graphql-response+json, application/json;q=0.9" },
    enableIncrementalDelivery: false,
  });

  function Explorer() {
    const [operationName, setOperationName] = React.useState(parameters.get("operationName") ?? undefined);
    const logo = React.createElement(
      "span",
      { className: "attendance-logo" },
      React.createElement("img", { src: "graphql/explorer/icon.svg", alt: "" }),
      "Attendance",
    );
    return React.createElement(
      GraphiQL,
      {
        ...start,
        fetcher,
        storage,
        operationName,
        onEditQuery: (query) => query === start.query || setOperationName(undefined),
        defaultQuery: "",
        defaultHeaders: headers,
        headers,
        defaultEditorToolsVisibility: "headers",
        shouldPersistHeaders: true, // As far as `createStorage` lets it.
        showPersistHeadersSettings: false,
        inputValueDeprecation: true,
      },
      React.createElement(GraphiQL.Logo, null, logo),
    );
  }

  ReactDOM.createRoot(element).render(React.createElement(Explorer));
})();
