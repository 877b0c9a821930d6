"""Every metric that there is: its name, what it counts, and its labels. Nothing in it tells sites apart."""

from dataclasses import dataclass
from enum import Enum

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Kind(Enum):
    """How a metric adds up over the processes of a service.

    Counters go on counting what processes did that have ended; a gauge is of those that run; a fact is the same in all.
    """

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    FACT = "fact"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


OPERATIONS = "attendance_operations_total"
SECONDS = "attendance_operation_seconds"
SECONDS_BUCKET, SECONDS_SUM = f"{SECONDS}_bucket", f"{SECONDS}_sum"
PATHS = "attendance_operations_by_path_total"
REFUSALS = "attendance_refusals_total"
FAULTS = "attendance_faults_total"
STATEMENTS = "attendance_statements_total"
ROWS = "attendance_rows_total"
RUNNING = "attendance_requests_running"
RUNNING_LIMIT = "attendance_requests_running_limit"
QUEUED = "attendance_requests_queued"
QUEUED_LIMIT = "attendance_requests_queued_limit"
QUEUED_TOTAL = "attendance_requests_queued_total"
TURNED_AWAY = "attendance_requests_turned_away_total"
POOL_SIZE = "attendance_pool_size"
POOL_LIMIT = "attendance_pool_limit"
POOL_IDLE = "attendance_pool_idle"
POOL_WAITING = "attendance_pool_waiting"
POOL_ACQUIRED = "attendance_pool_acquired_total"
POOL_TIMEOUTS = "attendance_pool_timeouts_total"
POOL_CONNECT_FAILURES = "attendance_pool_connect_failures_total"
WORKERS = "attendance_workers"
CPU_SECONDS = "attendance_cpu_seconds_total"
MEMORY = "attendance_memory_bytes"
DROPPED_LINES = "attendance_log_lines_dropped_total"
BUILD = "attendance_build_info"

METRICS = (
    Metric(OPERATIONS, Kind.COUNTER, "Requests that have ended.", ("operation", "type", "outcome")),
    Metric(SECONDS, Kind.HISTOGRAM, "Seconds from a request's receipt to its answer.", ("type",)),
    Metric(PATHS, Kind.COUNTER, "Operations that were run, compiled or not, and why not.", ("path", "reason")),
    Metric(REFUSALS, Kind.COUNTER, "Requests refused because they are beyond a limit.", ("limit",)),
    Metric(FAULTS, Kind.COUNTER, "Requests that ended in a fault of the service."),
    Metric(STATEMENTS, Kind.COUNTER, "Statements sent to Postgres for operations."),
    Metric(ROWS, Kind.COUNTER, "Rows that Postgres has given for operations."),
    Metric(RUNNING, Kind.GAUGE, "Requests that run."),
    Metric(RUNNING_LIMIT, Kind.GAUGE, "Requests that may run at once."),
    Metric(QUEUED, Kind.GAUGE, "Requests that wait for their turn."),
    Metric(QUEUED_LIMIT, Kind.GAUGE, "Requests that may wait at once."),
    Metric(QUEUED_TOTAL, Kind.COUNTER, "Requests that have had to wait for their turn."),
    Metric(TURNED_AWAY, Kind.COUNTER, "Requests turned away for overload.", ("reason",)),
    Metric(POOL_SIZE, Kind.GAUGE, "Connections to Postgres.", ("server",)),
    Metric(POOL_LIMIT, Kind.GAUGE, "Connections to Postgres that there may be.", ("server",)),
    Metric(POOL_IDLE, Kind.GAUGE, "Connections that nobody uses.", ("server",)),
    Metric(POOL_WAITING, Kind.GAUGE, "Operations that wait for a connection.", ("server",)),
    Metric(POOL_ACQUIRED, Kind.COUNTER, "Times that a connection was lent.", ("server",)),
    Metric(POOL_TIMEOUTS, Kind.COUNTER, "Waits for a connection that were given up.", ("server",)),
    Metric(POOL_CONNECT_FAILURES, Kind.COUNTER, "Connections that could not be made.", ("server",)),
    Metric(WORKERS, Kind.GAUGE, "Server processes."),
    Metric(CPU_SECONDS, Kind.COUNTER, "Processor time that the server processes have used."),
    Metric(MEMORY, Kind.GAUGE, "Resident memory of the server processes."),
    Metric(DROPPED_LINES, Kind.COUNTER, "Log lines that standard output did not take."),
    Metric(BUILD, Kind.FACT, "The versions of the service and of Python.", ("version", "python")),
)
