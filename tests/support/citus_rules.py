"""What a statement must be like for Citus 13 to send it as one command to one worker, as it was seen on a cluster."""

import re

from app.database.distribution.functions import FUNCTIONS
from app.database.row_security import SITE_TABLES

TABLES = rf"(?:{'|'.join(SITE_TABLES)})"
MENTION = re.compile(rf'"{TABLES}"|\b(?:FROM|JOIN|USING|ONLY) {TABLES}\b')
# In the order of the rules: what is taken apart, planned on the coordinator or refused when it is in a read.
REFUSED = {
    "a read that writes is taken apart": r"\b(INSERT|UPDATE|DELETE|MERGE)\b",
    "a lock needs the row of one shard": r"\bFOR (UPDATE|SHARE|NO KEY UPDATE|KEY SHARE)\b",
    "a volatile function is not sent to workers": r"\b(now|random|nextval|set_config|clock_timestamp)\(",
    "a worker has no temporary table": r"\bpg_temp\b|\bTEMPORARY\b",
    "a clause of a recursive query is refused": r"\b(SEARCH (BREADTH|DEPTH)|CYCLE)\b",
    "the value of a site is not in the text": r"[0-9a-f]{8}-[0-9a-f]{4}-",
}
CALL = re.compile(
    r"SELECT (?P<outputs>.+)\nFROM (?P<name>attendance_\w+)\((?P<arguments>\$\d+(?:, \$\d+)*)\)", re.DOTALL
)
SIGNATURES = {
    name: arguments.rstrip(")").split(",") for name, arguments in (signature.split("(") for signature in FUNCTIONS)
}


def find_faults_of_read(text: str) -> list[str]:
    """The rules that a statement which reads a site breaks."""
    faults = [rule for rule, pattern in REFUSED.items() if re.search(pattern, text)]
    mentions = len(re.findall(rf'\bFROM "{TABLES}"', text))
    if mentions != len(MENTION.findall(text)):
        faults.append("a table is named elsewhere than in a FROM")
    if mentions != len(re.findall(r'"site_id" = \$1(?!\d)', text)) or not mentions:
        faults.append("a table is read without its site")
    return faults


def find_faults_of_write(text: str) -> list[str]:
    """The rules that a statement which writes to a site breaks: a call whose arguments are parameters alone."""
    call = CALL.fullmatch(text)
    if call is None:
        return ["it is no call of a distributed function with nothing but parameters"]
    arguments = call["arguments"].split(", ")
    expected = SIGNATURES.get(call["name"], [])
    numbered = [f"${number}" for number in range(1, len(expected) + 1)]
    return [] if arguments == numbered else ["its parameters are not those of the function, from the site on"]


def find_faults_of_function(text: str) -> list[str]:
    """The rules that the statements of a distributed function break."""
    faults = []
    body = text.split("$$")[1]
    if re.search(r"\bWITH\b", body):
        faults.append("a statement with a common table expression is taken apart")
    if re.search(r"\b(now|random|clock_timestamp|gen_random_uuid)\(", body):
        faults.append("a volatile function is not sent to shards")
    for statement in body.split(";"):
        faults += find_faults_of_step(statement)
    return faults


def find_faults_of_step(statement: str) -> list[str]:
    faults = []
    insert = re.search(rf"INSERT INTO {TABLES}\b.*", statement, re.DOTALL)
    rest = statement if insert is None else re.sub(rf"INSERT INTO {TABLES}\b", "", statement)
    if insert is not None:
        values = re.search(r"\)\s+VALUES \(\s*site,", insert[0])
        select = re.search(r"\)\s+SELECT (?:counter\.)?site_id,", insert[0])
        if values is None and select is None:
            faults.append("an INSERT has neither VALUES for the site nor the site of a row in a table")
        if values is not None and re.search(r"\(\s*SELECT\b", insert[0]):
            faults.append("a sub-select in VALUES is refused")
    on_conflict = rest.partition("ON CONFLICT")[2]
    if "::" in on_conflict or "SELECT" in on_conflict:
        faults.append("ON CONFLICT may hold neither a cast that is not immutable nor a sub-select")
    named = len(re.findall(rf"\b(?:FROM|JOIN) {TABLES}\b", rest))
    if named != len(re.findall(r"\bsite_id = site\b", rest)):
        faults.append("a table is read or changed without its site")
    return faults
