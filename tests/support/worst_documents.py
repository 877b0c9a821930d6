"""The documents that take longest for their size: what the limits on documents are there for."""

LONGEST = 32_700
FIELDS = "id bookingId sessionId status numberOfAttendees createdAt updatedAt"
COUNT = "{ totalCount }"
FIGURES = ("", "totalCount", "summary { total attendanceRate }", "pageInfo { hasPreviousPage startCursor }")
MEMBERS = " ".join(f"a{number}: 1" for number in range(300))


def repeat(template: str, times: int) -> str:
    """A template as often as told, with its `#` replaced by the number of each."""
    return " ".join(template.replace("#", str(number)) for number in range(times))


def below_nodes(selection: str, rest: str = "") -> str:
    return f"{{ attendances {{ nodes {{ {selection} }} }} }} {rest}"


def in_string(content: str, quotes: str = '"') -> str:
    return f"{{ attendances(after: {quotes}{content[: LONGEST - 60]}{quotes}) {{ totalCount }} }}"


CONFLICTS = repeat("booking { attendances(first: #) { totalCount } }", 80)


def chain(of: str, count: int, body: str) -> str:
    """Fragments of which each holds the next one, where the body says so by `@`."""
    return " ".join(f"fragment F{n} on {of} {{ {body.replace('@', f'...F{n + 1}')} }}" for n in range(count))


def multiply_connections(levels: int, roots: int, size: int = 0, name: str = "a") -> str:
    """Connections that each go on by four others: a page of no records costs one, whatever is below it."""
    page = f"{{ attendances(first: {size}) {{ nodes {{ @ }} edges {{ node {{ @ }} }} }} }}"
    fragments = chain("Attendance", levels, f"id booking {page} session {page}")
    below = " ".join(f"{name}{number}: attendances(first: {size}) {{ nodes {{ ...F0 }} }}" for number in range(roots))
    return f"{{ {below} }} {fragments} fragment F{levels} on Attendance {{ {FIELDS} }}"


READ_SLOWLY = {
    "comments": "#\n" * 999 + "{ __typename }",
    "long comments": ("#" + "x" * 31 + "\n") * 990 + "{ __typename }",
    "one comment": "#" + "x" * LONGEST + "\n{ __typename }",
    "spaces": " " * LONGEST + "{ __typename }",
    "commas": "," * LONGEST + "{ __typename }",
    "lines": "\n" * 4990 + "{ __typename }",
    "a string": in_string("x" * LONGEST),
    "escapes": in_string("\\n" * (LONGEST // 2)),
    "escapes by number": in_string("\\u0041" * (LONGEST // 6)),
    "escapes in braces": in_string("\\u{41}" * (LONGEST // 6)),
    "a block string": in_string("x" * LONGEST, '"""'),
    "lines of a block string": in_string("\n   x" * 4990, '"""'),
    "quotes in a block string": in_string('"" ' * (LONGEST // 3), '"""'),
    "a string without an end": '{ attendances(after: "' + "x" * LONGEST,
    "a long name": "{ " + "x" * LONGEST + " }",
    "long names": below_nodes(repeat("x" * 6000 + "#", 5)),
    "a long number": f"{{ attendances(first: {'1' * LONGEST}) {{ totalCount }} }}",
    "a long fraction": f"{{ attendances(first: 1.{'1' * LONGEST}) {{ totalCount }} }}",
    "an error at the end": "{ __typename }" + " " * LONGEST + "?",
    "far too long": "#" + "x" * 250_000 + "\n{ __typename }",
    "far too many lines": "\n" * 250_000 + "{ __typename }",
    "far too many tokens": "{ a " * 60_000,
}
VALIDATED_SLOWLY = {
    "many root fields": "{ " + "__typename " * 990 + "}",
    "unknown fields": below_nodes(repeat("x#", 900)),
    "unknown fields that look like known ones": below_nodes(repeat("numberOfAttendeez#", 900)),
    "the same field": below_nodes("id " * 900),
    "the same field with fields": below_nodes("booking { id } " * 220),
    "conflicts": below_nodes(CONFLICTS),
    "conflicts on many lines": "\n" * 4990 + below_nodes(CONFLICTS),
    "conflicts after escapes": in_string("\\n" * 14_000)[:-17] + " { nodes { " + CONFLICTS + " } } }",
    "conflicts of long arguments": below_nodes(
        repeat(f'booking {{ attendances(after: "{"x" * 400}#") {{ totalCount }} }}', 60)
    ),
    "conflicts far below": below_nodes(
        repeat("booking { attendances { nodes { booking { attendances(first: #) { totalCount } } } } }", 45)
    ),
    "equal lists": below_nodes(f"booking {{ attendances(filter: {{id: {{in: [{'1 ' * 200}]}}}}) {COUNT} }}" * 4),
    "fragments that overlap": below_nodes(repeat("...F#", 60), repeat(f"fragment F# on Attendance {{ {FIELDS} }}", 60)),
    "fragments with fields that overlap": below_nodes(
        repeat("...F#", 45), repeat("fragment F# on Attendance { booking { id id id } }", 45)
    ),
    "a fragment again and again": below_nodes("...F " * 400, f"fragment F on Attendance {{ {'id ' * 60} }}"),
    "doubling fragments": "{ ...F0 } " + chain("Query", 60, "@ @") + " fragment F60 on Query { __typename }",
    "doubling fragments below": below_nodes("...F0", chain("Attendance", 60, "id @ @"))
    + " fragment F60 on Attendance { id }",
    "fragments in circles": "{ ...F0 } " + repeat(f"fragment F# on Query {{ {repeat('...F#', 20)} }}", 20),
    "unused fragments": repeat("fragment F# on Query { __typename }", 140),
    "fragments on an unknown type": repeat("fragment F# on AttendanceConnectio { id }", 140),
    "many operations": repeat("query Q# { __typename }", 190),
    "many operations of the same name": "query Q { __typename } " * 190,
    "many operations on many fragments": repeat("query Q# { ...F0 }", 70)
    + chain("Query", 50, "@") + "fragment F50 on Query { __typename }",
    "operations that lack a variable": repeat("query Q# { ...F0 }", 70)
    + chain("Query", 45, "@") + "fragment F45 on Query { attendances(first: $no) { totalCount } }",
    "many variables": f"query({repeat('$v#: Int', 240)}) {{ __typename }}",
    "the same variable": f"query({'$v: Int ' * 240}) {{ __typename }}",
    "many arguments": f"{{ attendances({MEMBERS}) {{ totalCount }} }}",
    "the same argument": f"{{ attendances({'first: 1 ' * 300}) {{ totalCount }} }}",
    "many directives": f"{{ __typename {'@skip ' * 480} }}",
    "many arguments of directives": f"{{ __typename @skip(if: {{ {MEMBERS} }}) }}",
    "many members": f"{{ attendances(filter: {{ {MEMBERS} }}) {{ totalCount }} }}",
    "many members of a default": f"query($f: AttendanceFilter = {{ {MEMBERS} }}) "
    "{ attendances(filter: $f) { totalCount } }",
    "many filters": f"{{ attendances(filter: {{ {repeat('id: {eq: #}', 150)} }}) {{ totalCount }} }}",
    "many wrong items": f"{{ attendances(orderBy: [{'X ' * 900}]) {{ totalCount }} }}",
    "many objects in place of items": f"{{ attendances(orderBy: [{'{a: 1} ' * 180}]) {{ totalCount }} }}",
    "many incomplete objects": f"mutation {{ bulkSetAttendance(input: [{'{} ' * 480}]) {{ totalSuccesses }} }}",
    "deep lists": f"{{ attendances(filter: {'[' * 190 + ']' * 190}) {{ totalCount }} }}",
    "deep objects": f"{{ attendances(filter: {'{a: ' * 190}1{'}' * 190}) {{ totalCount }} }}",
    "deep types": f"query($v: {'[' * 190}Int{']' * 190}) {{ __typename }}",
    "deep inline fragments": "{ " + "... on Query { " * 190 + "__typename" + " }" * 191,
    "inline fragments on two types": "{ _entities(representations: []) { "
    + "... on Booking { id } ... on Session { id } " * 75 + "} }",
    "impossible fragments": f'{{ node(id: "x") {{ {"... on Booking { id } " * 150} }} }}',
    "deep introspection": "{ __schema { types { ...F0 } } } "
    + chain("__Type", 50, "ofType { name } @ @") + "fragment F50 on __Type { name }",
    "introspection too deep": "{ "
    + "__schema { types { fields { type { fields { type { fields { name } } } } } } } " * 25 + "}",
    "types instead of operations": repeat("type A# { a: Int }", 140),
}  # fmt: skip
PAGE = "{ nodes { @ } edges { cursor node { @ } } pageInfo { hasNextPage endCursor } totalCount }"
BELOW = f"{FIELDS} booking {{ attendances(first: 1) {PAGE} }} session {{ attendances(first: 1) {PAGE} }}"
COMPILED_SLOWLY = {
    "connections that double on each level": "{ attendances(first: 1) { nodes { ...F0 } } } "
    + chain("Attendance", 3, BELOW) + f" fragment F3 on Attendance {{ {FIELDS} }}",
    "connections below entities of all types": "{ _entities(representations: []) { "
    "... on Booking { attendances(first: 1) { nodes { ...F0 } } } "
    "... on Session { attendances(first: 1) { nodes { ...F0 } } } ... on Attendance { ...F0 } } } "
    + chain("Attendance", 2, BELOW) + f" fragment F2 on Attendance {{ {FIELDS} }}",
    "connections that select differently": below_nodes("booking { " + " ".join(
        f"a{n}: attendances(first: {n % 3}) {{ nodes {{ {' '.join(FIELDS.split()[: n % 7 + 1])} }} {FIGURES[n % 4]} }}"
        for n in range(29)
    ) + " }"),
    "many conditions": f"query({repeat('$v#: Boolean!', 70)}) "
    f"{{ attendances {{ nodes {{ {repeat('id @include(if: $v#)', 70)} }} }} }}",
}  # fmt: skip
COMPILED_SLOWLY |= {
    f"{roots} roots with connections {levels} times below each other": multiply_connections(levels, roots)
    for levels in (1, 2, 3)
    for roots in (1, 12, 30)
}
WORST_DOCUMENTS = READ_SLOWLY | VALIDATED_SLOWLY | COMPILED_SLOWLY
