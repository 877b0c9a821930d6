// Starts GraphiQL on the GraphQL endpoint whose address this page has, with what the page's data attributes hold.
(() => {
  "use strict";

  const STORAGE_PREFIX = "attendance:";
  const HEADERS_KEY = "graphiql:headers";
  const KEYS_WITH_HEADERS = new Set(["graphiql:tabState", "graphiql:queries", "graphiql:favorites"]);
  const COMPLETE = "event: complete\ndata:";
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

  // What the tabs of a new visitor hold. A document in the address comes first; GraphiQL adds it as a tab for a visitor
  // who has tabs already.
  function listTabs(documents, headers, address) {
    return [...(address.query ? [address] : []), ...documents.map((query) => ({ query }))].map((tab) => ({ ...tab, headers }));
  }

  function readAddress(parameters) {
    if (!parameters.has("query")) return { variables: parameters.get("variables") ?? undefined };
    return { query: parameters.get("query"), variables: parameters.get("variables") ?? "" };
  }

  // Subscriptions run by Server-Sent Events, with the headers of the editor, which a WebSocket could not send.
  function isSubscription(documentAST, operationName) {
    return (documentAST?.definitions ?? []).some(
      (each) => each.operation === "subscription" && (!operationName || each.name?.value === operationName),
    );
  }

  // Follows "distinct connections mode" of GraphQL over SSE. What is no stream is the response to a refused request.
  async function follow(url, request, headers, signal, onResponse) {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", accept: "text/event-stream" },
      body: JSON.stringify(request),
      signal,
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      onResponse(await response.json());
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) throw new Error("The connection was lost.");
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) {
        if (event === COMPLETE) return;
        const data = /^data: (.*)$/m.exec(event);
        if (data !== null) onResponse(JSON.parse(data[1]));
      }
    }
  }

  // An observable, as GraphiQL expects it: its button stops the subscription.
  function subscribe(url, request, headers) {
    return {
      subscribe({ next, error, complete }) {
        const controller = new AbortController();
        follow(url, request, headers, controller.signal, next).then(complete, (failure) => {
          if (!controller.signal.aborted) error(failure);
        });
        return { unsubscribe: () => controller.abort() };
      },
    };
  }

  const element = document.getElementById("explorer");
  if (typeof GraphiQL === "undefined") return; // The page says what is missing.
  const { tabs: documents, headers } = element.dataset;
  const parameters = new URLSearchParams(window.location.search);
  const storage = openStorage(headers);
  const address = readAddress(parameters);
  const url = window.location.pathname;
  const send = GraphiQL.createFetcher({
    url,
    headers: { accept: "application/graphql-response+json, application/json;q=0.9" },
    enableIncrementalDelivery: false,
  });

  // For half a second after a change of tabs, GraphiQL still sends the name of the other tab's operation.
  function fetcher(request, options) {
    const isInDocument = request.query.split(/\W+/).includes(request.operationName);
    const sent = isInDocument ? request : { ...request, operationName: undefined };
    const isStream = isSubscription(options?.documentAST, sent.operationName);
    return isStream ? subscribe(url, sent, options.headers) : send(sent, options);
  }

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
        ...address,
        fetcher,
        storage,
        operationName,
        onEditQuery: (query) => query === address.query || setOperationName(undefined),
        defaultQuery: "",
        defaultTabs: listTabs(JSON.parse(documents), headers, address),
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
