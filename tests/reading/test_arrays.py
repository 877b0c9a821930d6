"""Lists of values that statements take as texts: Postgres reads from them exactly what was written."""

import asyncpg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.sql.arrays import write_array
from tests.conftest import in_new_loop

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
odd_texts = st.sampled_from(['"', "\\", '","', '\\",\\"', "{", "}", "NULL", "null", "", " ", ",", "\n", "{a,b}"])


@settings(deadline=None)
@given(lists=st.lists(st.lists(texts | odd_texts, max_size=5), min_size=1, max_size=30))
@example(lists=[['"', '"'], ["\\", ""], ['","'], [], [""], ["NULL"], ["a", '"b', "c"]])
def test_postgres_reads_back_any_texts(postgres_url: str, lists: list[list[str]]) -> None:
    async def read_all() -> list[list[str]]:
        connection = await asyncpg.connect(postgres_url)
        try:
            return [await connection.fetchval("SELECT $1::text::text[]", write_array(each)) for each in lists]
        finally:
            await connection.close()

    assert in_new_loop(read_all()) == lists
