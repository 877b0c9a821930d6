"""How fragments become a statement: parameters are numbered from the site on, and a shape is rendered once."""

from operator import itemgetter

import pytest

from app.sql.conditions import where_site
from app.sql.fragment import Fragment, Parameter, Template, Templates, join, sql

SITE, ONE, TWO = (Parameter(itemgetter(name)) for name in ("site", "one", "two"))
VALUES = {"site": "S", "one": 1, "two": 2}


def test_the_site_is_the_first_parameter_wherever_it_stands() -> None:
    template = sql("{} {} {} {}", TWO, SITE, ONE, TWO).to_template(SITE)
    assert template == Template("$2 $1 $3 $2", (SITE, TWO, ONE))
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


def test_a_shape_is_rendered_once_and_too_many_shapes_are_forgotten_together() -> None:
    built: list[str] = []

    def find(templates: Templates, shape: str) -> Template:
        return templates.find(shape, lambda: built.append(shape) or Template(shape, ()))

    templates = Templates(most=2)
    assert [find(templates, shape).text for shape in "abab"] == ["a", "b", "a", "b"]
    assert built == ["a", "b"]
    assert [find(templates, shape).text for shape in "cbc"] == ["c", "b", "c"]
    assert built == ["a", "b", "c", "b"]
    assert find(templates, "a").text == "a"
    assert built == ["a", "b", "c", "b", "a"]


def test_two_thousand_shapes_are_kept() -> None:
    built: list[int] = []
    templates = Templates()
    for shape in (*range(2000), 0, 2000, 1):
        templates.find(shape, lambda shape=shape: built.append(shape) or Template(str(shape), ()))  # type: ignore[misc]
    assert built == [*range(2001), 1]
