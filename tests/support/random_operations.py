"""Random operations: arguments, variables, aliases, fragments, directives and nesting, drawn from the schema."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type, is_leaf_type

from app.plan.absences import AbsenceGroups, AbsencePosition
from app.plan.changes import BEGINNING, ChangesPosition, plan_changes_cursors
from app.plan.cursor import plan_cursors
from app.plan.filter import Operator, Perspective, plan_filter
from app.plan.order import DEFAULT_ORDER
from app.plan.properties import Property
from app.schema.arguments import read_order
from app.schema.names import GROUPINGS
from app.schema.schema import SCHEMA
from tests.support.service import Record

DEEPEST = 6
ENTITIES = "_entities"
ORDERS = [
    "ID_ASC",
    "BOOKING_ID_ASC",
    "SESSION_ID_ASC",
    "STATUS_ASC",
    "NUMBER_OF_ATTENDEES_ASC",
    "NUMBER_OF_ATTENDEES_DESC",
]
VARIABLES = {
    "$yes": "Boolean! = true",
    "$maybe": "Boolean!",
    "$size": "Int",
    "$number": "Int! = 1",
    "$filter": "AttendanceFilter",
    "$wanted": "AttendanceFilter = {status: {ne: ATTENDED}}",
    "$key": "IDFilter!",
    "$status": "AttendanceStatus! = ATTENDED",
    "$order": "[AttendanceOrder!]",
    "$first": "AttendanceOrder! = STATUS_ASC",
    "$perspective": "AttendancePerspective",
    "$after": "String",
    "$id": "ID!",
    "$ids": "[ID!]!",
    "$representations": "[_Any!]!",
    "$input": "AttendanceInput!",
    "$inputs": "[AttendanceInput!]!",
    "$name": 'String! = "Booking"',
    "$by": "AbsenceGrouping! = SESSION",
    "$grouping": "AbsenceGrouping",
    "$least": "Int",
    "$share": "Float! = 0.5",
}
DIRECTIVES = [
    "",
    "",
    "",
    "",
    " @include(if: true)",
    " @skip(if: false)",
    " @skip(if: $yes)",
    " @include(if: $yes)",
    " @include(if: $maybe)",
    " @skip(if: $maybe) @include(if: true)",
]
SIZES = ["first: 3", "first: 3", "last: 2", "first: 0", "first: 101", "first: $size", "first: null", "last: -1"]
NUMBERS = [0, 1, 1, 2, 1, 2, 1.0, -(2**31), 2**31 - 1, 2**31, 1.5]
MISTYPED = [None, 7, 2**31, 1.0, "text", True, [], {}, ["ID_ASC"], "ID_ASC", {"eq": None}, [["ID_ASC"]]]
WRONG_FILTERS: list[Any] = [
    *({"status": value} for value in ("ATTENDED", {}, {"eq": "CAME"}, {"in": 1}, {"ne": None})),
    *({"id": value} for value in (None, {"eq": 7}, {"eq": None}, {"eq": []}, {"eq": "1", "ne": "1"}, {"like": "1"})),
    *({}, {"x": 1}, [{"status": {"eq": "ATTENDED"}}]),
]
MALFORMED = [[None], [{}], ["text"], [{"__typename": "Other", "id": "1"}], [{"__typename": "Booking"}], None, {}]


@dataclass(frozen=True, slots=True)
class Content:
    """What operations may ask for, of a site's records and beside them."""

    ids: list[str]
    bookings: list[str]
    sessions: list[str]
    cursors: list[str]
    change_cursors: list[str]
    records: Sequence[Record]


def gather_content(records: Sequence[Record]) -> Content:
    """Ids, sessions and cursors of some records, and some of no record."""
    codec = plan_cursors(DEFAULT_ORDER, None, None)
    return Content(
        ids=[*(str(record.id) for record in records), "01890a5d-ac96-774b-bcce-b302099a8057", "no guid"],
        bookings=[*(str(record.booking_id) for record in records), str(records[0].booking_id).upper()],
        sessions=[record.session_id for record in records],
        cursors=[*(codec.encode((record.id,)) for record in records), "no cursor"],
        change_cursors=[*list_change_cursors(records), codec.encode((records[0].id,)), "no cursor"],
        records=records,
    )


def list_change_cursors(records: Sequence[Record]) -> list[str]:
    """Cursors of the changes of the site and of a booking: from the beginning, within revisions, of a copy, later."""
    booking = Perspective(Property.BOOKING_ID, records[0].booking_id)
    positions = [
        BEGINNING,
        BEGINNING._replace(copied_since=5),
        *(ChangesPosition(revision) for revision in (0, 2, 10, 1000)),
        *(ChangesPosition(revision, record.id) for revision, record in enumerate(records[:5])),
        ChangesPosition(1, records[1].id, copied_since=4),
    ]
    return [plan_changes_cursors(of).encode(each) for of in (None, booking) for each in positions]


@dataclass
class Writer:
    """Draws one operation, and collects its fragments."""

    chance: Random
    content: Content
    fragments: list[str] = field(default_factory=list)

    def pick(self, choices: list[Any]) -> Any:
        return self.chance.choice(choices)

    def pick_some(self, choices: list[Any], most: int, least: int = 0) -> list[Any]:
        return self.chance.choices(choices, k=self.chance.randint(least, most))

    def write_selection(self, type_: GraphQLObjectType, depth: int) -> str:
        names = [name for name in type_.fields if name in (ENTITIES, "_service", "sdl") or not name.startswith("_")]
        plain = [name for name in names if is_leaf_type(get_named_type(type_.fields[name].type))]
        usable = names if depth < DEEPEST else plain or ["__typename"]
        meta = ["__typename", "__type", "__schema"] if type_ is SCHEMA.query_type else ["__typename"]
        chosen = self.pick_some([*usable, *meta], 4 if depth < 2 else 3, least=1)
        parts = [self.write_field(type_, name, depth, position) for position, name in enumerate(chosen)]
        return "{ " + " ".join(self.wrap(type_, part) for part in parts) + " }"

    def wrap(self, type_: GraphQLObjectType, part: str) -> str:
        """A field as it is, in an inline fragment, or in a named one."""
        kind = self.pick(["plain", "plain", "plain", "inline", "condition", "named"])
        if kind == "inline":
            return f"...{self.pick(DIRECTIVES)} {{ {part} }}"
        if kind == "condition":
            return f"... on {type_.name}{self.pick(DIRECTIVES)} {{ {part} }}"
        if kind == "named":
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {type_.name} {{ {part} }}")
            return f"...{name}{self.pick(DIRECTIVES)}"
        return part

    def write_field(self, type_: GraphQLObjectType, name: str, depth: int, position: int) -> str:
        if name == "__typename":
            return f"t{depth}{position}: __typename"
        if name.startswith("__"):
            asked = {"__type": "(name: $name) { kind fields { name } }", "__schema": " { queryType { name } }"}
            return f"m{position}: {name}{asked[name]}"
        definition = type_.fields[name]
        below = get_named_type(definition.type)
        if is_leaf_type(below):
            alias = self.pick(["", f"x{position}{name}: "])
            return f"{alias}{name}{self.pick(DIRECTIVES)}"
        alias = f"a{depth}x{position}x{self.chance.randrange(10_000)}: "
        arguments = self.write_arguments(name, list(definition.args))
        return f"{alias}{name}{arguments}{self.pick(DIRECTIVES)} {self.write_below(below, depth + 1)}"

    def write_below(self, type_: Any, depth: int) -> str:
        """The selection of a type, or of those that an abstract one may be."""
        if isinstance(type_, GraphQLObjectType):
            first = self.write_selection(type_, depth)
            # A selection of two parts, of which both say something of one field.
            return first if self.pick([True, True, True, False]) else f"{{ ... {first} ... {first} }}"
        types = SCHEMA.get_possible_types(type_)
        parts = [f"... on {each.name} {self.write_selection(each, depth)}" for each in types]
        shared = "" if isinstance(type_, GraphQLUnionType) else self.pick(["", "id ", "... on Node { id } "])
        return f"{{ __typename {shared}{' '.join(parts)} }}"

    def write_arguments(self, name: str, arguments: list[str]) -> str:
        if arguments == ["id"]:
            return self.pick(["(id: $id)", f'(id: "{self.pick(self.content.ids)}")'])
        if arguments == ["ids"]:
            ids = self.pick_some(self.content.ids, 5)
            return self.pick(["(ids: $ids)", "(ids: [" + ", ".join(f'"{each}"' for each in ids) + "])"])
        if name == ENTITIES:
            return "(representations: $representations)"
        if arguments == ["input"]:
            return self.write_input(is_bulk=name.startswith("bulk"))
        if name == "absences":
            return self.write_absence_arguments()
        if name == "attendanceChanges":
            return self.write_changes_arguments(arguments)
        return "" if name != "attendances" else self.write_page_arguments(arguments)

    def write_absence_arguments(self) -> str:
        """The arguments of a page of absences; some cursors are of the same grouping and minimums."""
        by, recorded, share = self.pick(["BOOKING", "SESSION"]), self.pick([0, 1, 2, 3]), self.pick([0.0, 0.5, 1.0])
        given = [f"by: {by}, minimumRecorded: {recorded}, minimumMissedShare: {share}", self.pick(SIZES)]
        if self.chance.random() < 0.4:
            record = self.pick(list(self.content.records))
            key = record.booking_id if by == "BOOKING" else record.session_id
            groups = AbsenceGroups(GROUPINGS[by], max(recorded, 1), share)
            position = AbsencePosition(self.pick([0.0, 0.5, 1.0]), self.pick([0, 1, 2]), key)
            given.append(f'{self.pick(["after", "before"])}: "{groups.encode_cursor(position)}"')
        elif self.chance.random() < 0.5:
            given = [
                self.pick(["", "by: SESSION", "by: $by", "by: $grouping"]),
                self.pick(["", "minimumRecorded: 1", "minimumRecorded: $least", "minimumRecorded: -1"]),
                self.pick(["minimumMissedShare: 0", "minimumMissedShare: $share", "minimumMissedShare: 1.5"]),
                self.pick(["", "after: $after", "before: null"]),
                self.pick(SIZES),
            ]
        return f"({', '.join(each for each in given if each)})"

    def write_changes_arguments(self, arguments: list[str]) -> str:
        """The arguments of a batch of changes: a booking's, whose cursors are among the content's, or the site's."""
        booking = f'perspective: {{bookingId: "{self.content.records[0].booking_id}"}}'
        given = [
            self.pick(["", "", booking, booking, "perspective: $perspective"]),
            self.pick(["", *[f'after: "{self.pick(self.content.change_cursors)}"'] * 4, "after: $after"]),
        ]
        if "first" in arguments:
            given.append(
                self.pick(["", "first: 3", "first: 1", "first: 0", "first: 101", "first: $size", "first: null"])
            )
        written = ", ".join(each for each in given if each)
        return f"({written})" if written else ""

    def write_input(self, *, is_bulk: bool) -> str:
        """The input of a mutation that sets: a variable, or a literal in which variables may stand."""
        if self.chance.random() < 0.5:
            return "(input: $inputs)" if is_bulk else "(input: $input)"
        items = [self.write_item() for _ in range(self.chance.randint(1, 4) if is_bulk else 1)]
        return f"(input: [{', '.join(items)}])" if is_bulk and len(items) > 1 else f"(input: {items[0]})"

    def write_item(self) -> str:
        number = self.pick(["", "numberOfAttendees: null", "numberOfAttendees: 3", "numberOfAttendees: $size"])
        booking = self.pick([*self.content.bookings, "no guid"])
        status = self.pick(["ATTENDED", "NOT_ATTENDED", "$status"])
        session = self.pick(['"new"', '"other"', "12345678901234567890123", '""'])
        return f'{{bookingId: "{booking}", sessionId: {session}, status: {status} {number}}}'

    def write_range(self, arguments: list[str]) -> str:
        """The arguments of a page between cursors that are its own, of any order, perspective and filter."""
        names = self.chance.sample(ORDERS[:5], self.chance.randint(0, 2))
        if "NUMBER_OF_ATTENDEES_ASC" in names and self.chance.random() < 0.5:
            names[names.index("NUMBER_OF_ATTENDEES_ASC")] = "NUMBER_OF_ATTENDEES_DESC"
        given = [f"orderBy: [{', '.join(names)}]"]
        perspective = condition = None
        if "perspective" not in arguments or self.chance.random() < 0.5:
            booking = self.content.records[0].booking_id
            perspective = Perspective(Property.BOOKING_ID, booking)
            given += [f'perspective: {{bookingId: "{booking}"}}'] if "perspective" in arguments else []
        if self.chance.random() < 0.3:
            given.append("filter: {status: {in: [ATTENDED, NOT_SET]}}")
            condition = plan_filter(Property.STATUS, Operator.IN, ["ATTENDED", "NOT_SET"], "filter")
        codec = plan_cursors(read_order(names), perspective, condition)
        for name in self.chance.sample(["after", "before"], self.chance.randint(1, 2)):
            record = self.pick(list(self.content.records))
            position = tuple(getattr(record, key.of) for key in codec.order)
            given.append(f'{name}: "{codec.encode(position)}"')
        given.append(self.pick(["first: 1", "first: 4", "last: 1", "last: 3", "first: 0"]))
        return f"({', '.join(given)})"

    def write_page_arguments(self, arguments: list[str]) -> str:
        if self.chance.random() < 0.4:
            return self.write_range(arguments)
        orders = ", ".join(self.pick_some(ORDERS, 2))
        given = [
            self.pick(SIZES),
            self.pick(["", "orderBy: $order", "orderBy: [$first]", f"orderBy: [{orders}]"]),
            self.pick(["", "", *self.list_filters()]),
            self.pick(
                [
                    "",
                    "",
                    "",
                    "after: $after",
                    f'after: "{self.pick(self.content.cursors)}"',
                    "before: null",
                    "before: $after",
                ]
            ),
        ]
        if "perspective" in arguments:
            booking = f'perspective: {{bookingId: "{self.pick(self.content.bookings)}"}}'
            given.append(self.pick(["", "", booking, "perspective: $perspective"]))
        return f"({', '.join(each for each in given if each)})"

    def list_filters(self) -> list[str]:
        one, other = self.content.bookings[0], self.content.bookings[-1]
        return [
            "filter: {status: {ne: ATTENDED}}",
            "filter: {status: {in: [ATTENDED, NOT_SET]}}",
            "filter: {numberOfAttendees: {ge: $number}}",
            "filter: {numberOfAttendees: {in: [0, $number]}}",
            f'filter: {{bookingId: {{in: ["{one}", "{other}"]}}}}',
            'filter: {id: {eq: "no guid"}}',
            "filter: {id: {eq: $id}}",
            "filter: {bookingId: {in: []}}",
            "filter: $filter",
            "filter: $wanted",
            "filter: {bookingId: $key}",
            "filter: {status: {eq: $status}}",
            "filter: {status: {in: [$status, NOT_SET]}}",
        ]


def make_operation(chance: Random, content: Content, *, mutates: bool = False) -> str:
    """The text of a query or of a mutation, whose variables are some of `VARIABLES`."""
    writer = Writer(chance, content)
    root = SCHEMA.mutation_type if mutates else SCHEMA.query_type
    assert root
    text = " ".join([writer.write_selection(root, 0), *writer.fragments])
    return declare_variables("mutation" if mutates else "query", text)


def make_subscription(chance: Random, content: Content) -> str:
    """The text of a subscription, which has one root field without a condition."""
    writer = Writer(chance, content)
    root = SCHEMA.subscription_type
    assert root
    (field,) = root.fields.values()
    arguments = writer.write_changes_arguments(list(field.args))
    below = writer.write_below(get_named_type(field.type), 1)
    alias = chance.choice(["", "alias: "])
    return declare_variables(
        "subscription", " ".join([f"{{ {alias}attendanceChanges{arguments} {below} }}", *writer.fragments])
    )


def declare_variables(kind: str, text: str) -> str:
    """An operation of this kind, with the variables that its text uses."""
    declared = [f"{name}: {type_}" for name, type_ in VARIABLES.items() if is_used(name, text)]
    return f"{kind}({', '.join(declared)}) {text}" if declared else f"{kind} {text}"


def is_used(variable: str, text: str) -> bool:
    return any(f"{variable}{end}" in text for end in ") ,}]")


def make_variables(chance: Random, content: Content) -> dict[str, Any]:
    """Values of the variables, now and then absent, null, or of another type."""
    pick = chance.choice
    representations = [
        {"__typename": "Booking", "id": pick(content.bookings)},
        {"__typename": "Session", "id": pick(content.sessions)},
        {"__typename": "Attendance", "id": pick(content.ids[:-1])},
        {"__typename": "Booking", "id": pick(content.bookings)},
    ]
    given: dict[str, Any] = {
        "yes": pick([True, False]),
        "maybe": pick([True, False]),
        "size": pick([None, 0, 2, 2, 5, 2.0, 101]),
        "number": pick(NUMBERS),
        "filter": make_filter(chance, content),
        "wanted": make_filter(chance, content),
        "key": pick([{"eq": pick(content.bookings)}, {"in": pick(content.bookings)}, {"ne": "no guid"}, None]),
        "status": pick(["ATTENDED", "NOT_SET"]),
        "order": pick([chance.choices(ORDERS, k=chance.randrange(3)), pick(ORDERS)]),
        "first": pick(ORDERS),
        "perspective": pick([{"bookingId": pick(content.bookings)}, {"sessionId": pick(content.sessions)}]),
        "after": pick(content.cursors),
        "id": pick(content.ids),
        "ids": pick([chance.choices(content.ids, k=chance.randrange(4)), pick(content.ids)]),
        "representations": chance.choices(representations, k=chance.randrange(5)),
        "input": make_input(chance, content),
        "inputs": pick(
            [[make_input(chance, content) for _ in range(chance.randrange(5))], make_input(chance, content)]
        ),
        "name": pick(["Booking", "Attendance", "Nothing"]),
        "by": pick(["BOOKING", "SESSION"]),
        "grouping": pick(["BOOKING", "SESSION", None, "RECORD"]),
        "least": pick([0, 1, 2, 2.0, None, -1]),
        "share": pick([0, 0.5, 1, 0.3333333333333333, -0.0, 1e-300, 1.0000000000000002, -0.1]),
    }
    odd = pick(list(given))
    if chance.random() < 0.2:
        given[odd] = pick(MALFORMED) if odd == "representations" else pick(MISTYPED)
    elif chance.random() < 0.1:
        del given[odd]
    return given


def make_input(chance: Random, content: Content) -> Any:
    pick = chance.choice
    given = {
        "bookingId": pick([*content.bookings, "no guid"]),
        "sessionId": pick([*content.sessions, "new", "", 7, "x" * 251]),
        "status": pick(["ATTENDED", "NOT_SET", "NOT_ATTENDED"]),
        "numberOfAttendees": pick([None, 0, 1, 2.0, -1, 2**31 - 1]),
    }
    if chance.random() < 0.3:
        del given["numberOfAttendees"]
    elif chance.random() < 0.1:
        given[pick([*given, "unknown"])] = pick(MISTYPED)
    return given


def make_filter(chance: Random, content: Content) -> Any:
    pick = chance.choice
    return pick(
        [
            {"id": {pick(["eq", "ne"]): pick(content.ids)}},
            {"sessionId": {"in": chance.choices(content.sessions, k=chance.randrange(4))}},
            {"bookingId": {"in": pick([chance.choices(content.bookings, k=2), pick(content.bookings), [None]])}},
            {"numberOfAttendees": {pick(["eq", "ne", "lt", "le", "gt", "ge"]): pick(NUMBERS)}},
            {"status": {"eq": "NOT_SET"}},
            pick(WRONG_FILTERS),
            pick(WRONG_FILTERS),
            pick(WRONG_FILTERS),
        ]
    )
