"""Services with settings of the test's own, as the tests of HTTP have them."""

from tests.http.conftest import bare, service

__all__ = ["bare", "service"]
