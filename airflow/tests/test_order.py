"""What a form may hold."""

from typing import Any

import pytest

from terraflow_airflow.errors import OrderError
from terraflow_airflow.order import Order, checked

HAPLOID = {"calling": {"ploidy": 1}}


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (("cohort7",), Order("cohort7")),
        (("1_a-B", "", "", ""), Order("1_a-B")),
        (("a", None, None, None), Order("a")),
        (("a", "  \n", "null", "7.5"), Order("a", budget=7.5)),
        (("a", "sample\tunit\r\nA\t1\r\n\r\n", HAPLOID, 20), Order("a", "sample\tunit\nA\t1\n", HAPLOID, 20.0)),
        (("a", "sample", '{"calling": {"ploidy": 1}}'), Order("a", "sample\n", HAPLOID)),
        (("a", "s", "calling:\n  ploidy: 1"), Order("a", "s\n", HAPLOID)),
    ],
)
def test_what_a_form_holds_is_an_order(given: tuple[Any, ...], order: Order) -> None:
    assert checked(*given) == order


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("",), "Name of the run: found ''; expected up to 40"),
        (("a b",), "found 'a b'"),
        (("-a",), "found '-a'"),
        (("x" * 41,), "expected up to 40 letters"),
        ((7,), "found 7"),
        (("a", 7), "Sheet: found int"),
        (("a", "", "a: [1"), "can't be read as YAML"),
        (("a", "", "[1, 2]"), "Settings: found [1, 2]; expected keys and values"),
        (("a", "", {1: 2}), "Settings: found {1: 2}"),
        (("a", "", "", "cheap"), "Budget: found 'cheap'; expected US dollars above 0"),
        (("a", "", "", 0), "Budget: found 0"),
        (("a", "", "", -3), "Budget: found -3"),
        (("a", "", "", "inf"), "Budget: found 'inf'"),
        (("a", "", "", "nan"), "Budget: found 'nan'"),
        (("a", "", "", True), "Budget: found True"),
    ],
)
def test_what_is_wrong_is_named(given: tuple[Any, ...], words: str) -> None:
    with pytest.raises(OrderError) as error:
        checked(*given)
    assert words in str(error.value)
