# The service's image. Dependencies come before the wheel, so that a change of the code leaves their layer cached. There
# is no Postgres in it: set ATTENDANCE_DATABASE_URL.
FROM python:3.11-slim AS requirements
COPY pyproject.toml /
RUN python -c "import pathlib, tomllib; \
    project = tomllib.loads(pathlib.Path('/pyproject.toml').read_text())['project']; \
    print(*project['dependencies'], *project['optional-dependencies']['tracing'], sep='\n')" > /requirements.txt

# The wheel, with the files of GraphiQL and of the chart from npm.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends npm
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
RUN groupadd --gid 10001 attendance && useradd --create-home --uid 10001 --gid 10001 attendance
COPY constraints.txt /constraints.txt
COPY --from=requirements /requirements.txt /requirements.txt
RUN pip install --no-cache-dir --constraint /constraints.txt --requirement /requirements.txt
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
# All addresses of both families, whatever arguments follow `serve`.
ENV ATTENDANCE_HOST=::
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-m", "app.web.serving.health_check"]
ENTRYPOINT ["attendance"]
CMD ["serve"]
