# The service's image: a wheel built with GraphiQL's files from npm, installed for a user without rights.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends npm
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 attendance
COPY constraints.txt /constraints.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --constraint /constraints.txt /wheels/*.whl
USER attendance
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["attendance"]
CMD ["serve", "--host", "0.0.0.0"]
