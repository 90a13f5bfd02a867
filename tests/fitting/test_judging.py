"""Which statistic is used, and the cautions."""

import numpy as np
import pytest

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.judging import cautions_on_data, cautions_on_fit, choose, spread
from tasks.fitting.observation import observe

ALL = Band.parse("0-20")


@pytest.fixture
def observed(toy, spectrum_of):
    def build(counts=None, background=None, **given):
        source = spectrum_of(np.full(100, 30) if counts is None else counts, **given)
        behind = spectrum_of(background) if background is not None else None
        return observe(source, toy.response(), ALL, background=behind)

    return build


def ids(cautions):
    return [caution.id for caution in cautions]


def test_the_statistic_follows_the_background(observed):
    assert choose(None, observed()) == ("cstat", ())
    assert choose(None, observed(background=np.ones(100))) == ("wstat", ())
    assert choose("chi2", observed(background=np.ones(100))) == ("chi2", ())


def test_cstat_with_a_background_becomes_w_and_says_so(observed):
    chosen, said = choose("cstat", observed(background=np.ones(100)))
    assert chosen == "wstat"
    assert ids(said) == ["cstat-promoted"]


def test_what_the_data_do_not_allow(observed):
    with pytest.raises(BadInput, match="wstat needs a background spectrum, and there is none"):
        choose("wstat", observed())
    for wanted in (None, "cstat"):
        with pytest.raises(BadInput, match="rates with errors of their own, no counts: use chi2"):
            choose(wanted, observed(errors=np.ones(100), counted=False))
    assert choose("chi2", observed(errors=np.ones(100), counted=False)) == ("chi2", ())


def test_errors_beside_counts_matter_to_chi_squared_only(observed):
    assert choose(None, observed(errors=np.ones(100))) == ("cstat", ())


@pytest.mark.parametrize(("empty", "sparse"), [(0, False), (10, False), (11, True), (100, True)])
def test_more_than_a_tenth_of_groups_without_background(observed, empty, sparse):
    background = np.ones(100)
    background[:empty] = 0
    found = ids(cautions_on_data("wstat", observed(background=background)))
    assert found == (["wstat-sparse-background"] if sparse else [])
    assert ids(cautions_on_data("chi2", observed(background=background))) == []


def test_few_counts_for_chi_squared(observed):
    counts = np.full(100, 20)
    assert ids(cautions_on_data("chi2", observed(counts))) == []
    counts[7] = 19
    assert ids(cautions_on_data("chi2", observed(counts))) == ["chi2-few-counts"]
    assert ids(cautions_on_data("cstat", observed(counts))) == []


def test_without_an_effective_area(toy, spectrum_of):
    from tasks.fitting.response import read_response

    found = observe(spectrum_of(np.ones(100)), read_response(toy.rmf()), ALL)
    assert ids(cautions_on_data("cstat", found)) == ["no-effective-area"]


def test_given_errors_and_a_background_add_up(observed):
    assert (spread(observed(errors=np.full(100, 3.0))) == 9).all()
    assert (spread(observed(background=np.full(100, 5.0))) == 35).all()


def test_what_is_said_of_a_fit():
    assert ids(cautions_on_fit(100.0, 90, True, "")) == []
    assert ids(cautions_on_fit(200.0, 90, True, "")) == ["poor-fit"]
    (said,) = cautions_on_fit(100.0, 90, False, "too many steps")
    assert (said.id, said.severity) == ("fit-not-converged", "severe")
    assert "too many steps" in said.sentence
