"""GraphiQL in the browser, served from files of our own under a strict Content-Security-Policy."""
