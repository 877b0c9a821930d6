"""A GraphQL endpoint with the explorer's page and just the fields that its first query reads."""

import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.web.explorer.page import Explorer, accepts_page

DEMO_TOKEN = "stub.demo.token"  # noqa: S105, it opens nothing


@strawberry.type
class Attendance:
    id: strawberry.ID
    booking_id: strawberry.ID
    session_id: strawberry.ID
    status: str
    number_of_attendees: int


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class AttendanceSummary:
    attended: int
    not_attended: int
    not_set: int
    attendance_rate: float | None


@strawberry.type
class AttendanceConnection:
    nodes: list[Attendance]
    page_info: PageInfo
    total_count: int
    summary: AttendanceSummary


@strawberry.type
class Query:
    @strawberry.field
    def attendances(self, first: int = 50) -> AttendanceConnection:
        """Attendance records, a page at a time."""
        nodes = [
            Attendance(
                id=strawberry.ID(f"00000000-0000-7000-8000-{number:012}"),
                booking_id=strawberry.ID(f"00000000-0000-4000-8000-{number:012}"),
                session_id=strawberry.ID("a-session"),
                status="ATTENDED",
                number_of_attendees=1,
            )
            for number in range(first)
        ]
        return AttendanceConnection(
            nodes=nodes,
            page_info=PageInfo(has_next_page=True, end_cursor="a-cursor"),
            total_count=100,
            summary=AttendanceSummary(attended=80, not_attended=20, not_set=0, attendance_rate=0.8),
        )


def make_application() -> Starlette:
    """The endpoint: the page for browsers, introspection for all, data for those who bring the token."""
    explorer = Explorer(DEMO_TOKEN)
    schema = strawberry.Schema(Query)

    async def graphql(request: Request) -> Response:
        if request.method == "GET" and accepts_page(request.headers.get("accept")):
            return explorer.page_response()
        body = await request.json()
        if "__schema" not in body["query"] and request.headers.get("authorization") != f"Bearer {DEMO_TOKEN}":
            return JSONResponse({"errors": [{"message": "The token is missing."}]}, status_code=401)
        result = await schema.execute(body["query"], body.get("variables"), operation_name=body.get("operationName"))
        errors = {"errors": [error.formatted for error in result.errors]} if result.errors else {}
        return JSONResponse({"data": result.data, **errors})

    return Starlette(routes=[Route("/graphql", graphql, methods=["GET", "POST"]), *explorer.routes])
