"""Which pages may open WebSockets."""

import pytest

from app.settings import load_settings
from app.web.cors import build_cors_policy
from app.web.streams.upgrades import may_connect
from tests.support.service import SECRET

HOST = b"attendance.example.com"


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, HOST, True),
        (b"https://attendance.example.com", HOST, True),
        (b"http://attendance.example.com", HOST, True),
        (b"HTTPS://Attendance.Example.Com", HOST, True),
        (b"http://localhost:8000", b"localhost:8000", True),
        (b"http://localhost:8001", b"localhost:8000", False),
        (b"https://attendance.example.com.evil.example", HOST, False),
        (b"https://evil.example/attendance.example.com", HOST, False),
        (b"https://attendance.example.com@evil.example", HOST, False),
        (b"null", HOST, False),
        (b"", HOST, False),
        (b"", b"", False),
        (b"https://app.example.com", HOST, True),
        (b"http://app.example.com", HOST, False),
        (b"http://[", HOST, False),
    ],
)
def test_a_page_may_connect_if_it_is_the_services_own_or_allowed(
    origin: bytes | None, host: bytes, *, allowed: bool
) -> None:
    environ = {"ATTENDANCE_JWT_SECRET": SECRET, "ATTENDANCE_CORS_ORIGINS": "https://app.example.com"}
    cors = build_cors_policy(load_settings(environ))
    headers = {b"host": host} | ({} if origin is None else {b"origin": origin})
    assert may_connect(headers, cors) is allowed


def test_if_any_origin_is_allowed_each_page_may_connect() -> None:
    cors = build_cors_policy(load_settings({"ATTENDANCE_JWT_SECRET": SECRET, "ATTENDANCE_CORS_ORIGINS": "*"}))
    assert may_connect({b"host": HOST, b"origin": b"null"}, cors)
