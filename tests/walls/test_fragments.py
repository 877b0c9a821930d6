"""How fragments become a statement: parameters are numbered from the site on, and a shape is rendered once."""

from operator import itemgetter

import pytest

from app.bounded_cache import BoundedCache
from app.sql.conditions import where_site
from app.sql.fragment import MOST_TEMPLATES, Fragment, Parameter, Template, join, sql
from app.sql.pages import PAGES

SITE, ONE, TWO = (Parameter(itemgetter(name)) for name in ("site", "one", "two"))
VALUES = {"site": "S", "one": 1, "two": 2}


def test_the_site_is_the_first_parameter_wherever_it_stands() -> None:
    template = sql("{} {} {} {}", TWO, SITE, ONE, TWO).to_template(SITE)
    assert template == Template("$2 $1 $3 $2", (SITE.read, TWO.read, ONE.read))
    statement = template.bind(VALUES)
    assert (statement.text, statement.arguments) == (template.text, ("S", 2, 1))


@pytest.mark.parametrize("fragment", [Fragment(()), sql("'site_id = $1'"), sql("{} = {}", ONE, TWO)])
def test_a_statement_without_its_site_cannot_be_made(fragment: Fragment) -> None:
    with pytest.raises(ValueError, match=r"^a statement without its site$"):
        fragment.to_template(SITE)


def test_the_condition_of_the_site_is_nothing_more() -> None:
    assert where_site(SITE).to_template(SITE).text == '"site_id" = $1'


def test_fragments_take_each_other_in() -> None:
    inner = sql("a = {}", ONE)
    assert sql("{} OR b", inner).parts == ("", "a = ", ONE, "", " OR b")
    assert join(", ", [inner, sql("c"), sql("d")]).parts == ("a = ", ONE, "", ", ", "c", ", ", "d")
    assert join(", ", []).parts == ()


def test_a_shape_is_rendered_once_and_the_shape_that_was_used_longest_ago_is_dropped() -> None:
    built: list[str] = []

    def find(templates: BoundedCache[str, Template], shape: str) -> Template:
        return templates.get_or_build(shape, lambda: built.append(shape) or Template(shape, ()))

    templates: BoundedCache[str, Template] = BoundedCache(2)
    assert [find(templates, shape).text for shape in "abab"] == ["a", "b", "a", "b"]
    assert built == ["a", "b"]
    assert [find(templates, shape).text for shape in "cbc"] == ["c", "b", "c"]
    assert built == ["a", "b", "c"]
    assert find(templates, "a").text == "a"
    assert built == ["a", "b", "c", "a"]


def test_two_thousand_shapes_of_pages_are_kept() -> None:
    assert MOST_TEMPLATES == 2_000
    assert PAGES._max_items == MOST_TEMPLATES  # noqa: SLF001 (there is no other way to see it)
