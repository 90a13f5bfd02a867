"""Groups, band, scalings and folding; on real data the whole chain against Sherpa's own."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.judging import terms
from tasks.fitting.model import photons_of
from tasks.fitting.observation import observe
from tasks.library.spectral.model import Model
from tasks.xtend.grouping import GroupingRule

ALL = Band.parse("0-20")
COUNTS = np.arange(100)
OPTIMAL = GroupingRule("opt")


def test_every_channel_is_a_group_of_its_own(toy, spectrum_of):
    found = observe(spectrum_of(COUNTS), toy.response(), ALL)
    assert found.counts.tolist() == COUNTS.tolist()
    assert found.low == pytest.approx(toy.edges[:-1], rel=1e-6)
    assert found.background is None
    assert (found.ratio == 1).all()
    photons = np.random.default_rng(1).random(100)
    assert found.fold(photons) == pytest.approx(1000 * 50 * photons @ toy.matrix(), rel=1e-5)


def test_groups_whose_channels_lie_wholly_inside_the_band_are_used(toy, spectrum_of):
    flags = np.where(np.arange(100) % 4, -1, 1)
    spectrum = spectrum_of(COUNTS, grouping=flags)
    # Groups are 0.1–0.5, 0.5–0.9, … keV; bounds that touch the band's are inside.
    found = observe(spectrum, toy.response(), Band.parse("0.5-1.7"))
    assert found.low == pytest.approx([0.5, 0.9, 1.3], rel=1e-6)
    assert found.high == pytest.approx([0.9, 1.3, 1.7], rel=1e-6)
    assert found.counts.tolist() == [4 + 5 + 6 + 7, 8 + 9 + 10 + 11, 12 + 13 + 14 + 15]
    assert observe(spectrum, toy.response(), Band.parse("0.51-1.69")).counts.size == 1


def test_bad_channels_take_no_part(toy, spectrum_of):
    flags = np.where(np.arange(100) % 4, -1, 1)
    quality = np.zeros(100, np.int16)
    quality[[5, 20]] = 5, 2
    spectrum = spectrum_of(COUNTS, grouping=flags, quality=quality)
    found = observe(spectrum, toy.response(), Band.parse("0.5-0.9"))
    assert found.counts.tolist() == [4 + 6 + 7]
    photons = np.ones(100)
    whole = 1000 * 50 * photons @ toy.matrix()
    assert found.fold(photons[: found.energy_low.size]) == pytest.approx([whole[[4, 6, 7]].sum()], rel=1e-5)


def test_grouping_anew_forgets_what_the_old_one_doubted(toy, spectrum_of):
    quality = np.zeros(100, np.int16)
    quality[3], quality[50] = 1, 2
    spectrum = spectrum_of(np.full(100, 2), quality=quality)
    found = observe(spectrum, toy.response(), ALL, group=GroupingRule("min", 4))
    # Channel 3 is bad: the second group reaches over it. Channel 50 is in.
    assert found.counts.sum() == 2 * 99 - 2
    assert (found.counts == 4).all()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 9), min_size=100, max_size=100), least=st.integers(1, 40))
def test_groups_reach_the_minimum(toy, spectrum_of, counts, least):
    found = observe(spectrum_of(counts), toy.response(), ALL, group=GroupingRule("min", least))
    assert (found.counts >= least).all()
    assert found.counts.sum() > sum(counts) - least


def test_optimal_groups_with_a_minimum(toy, spectrum_of):
    found = observe(spectrum_of(np.full(100, 3)), toy.response(), ALL, group=GroupingRule("optmin", 10))
    assert found.counts.min() >= 10
    assert (
        found.counts.size
        < observe(spectrum_of(np.full(100, 3)), toy.response(), ALL, group=OPTIMAL).counts.size
    )


def test_groups_by_counts_of_the_background(toy, spectrum_of):
    rule, source = GroupingRule("bmin", 5), spectrum_of(np.full(100, 50))
    behind = spectrum_of(np.arange(100) % 2)
    found = observe(source, toy.response(), ALL, background=behind, group=rule)
    assert found.background.min() >= 5
    assert found.counts.size == 10
    with pytest.raises(BadInput, match="a grouping bmin:5 goes by a background spectrum, and there is none"):
        observe(source, toy.response(), ALL, group=rule)


def test_optimal_groups_are_as_wide_as_the_resolution(toy, spectrum_of):
    few = np.where(np.arange(100) % 10, 0, 1)
    wide = observe(spectrum_of(few), toy.response(), ALL, group=OPTIMAL)
    narrow = observe(spectrum_of(np.full(100, 10_000)), toy.response(), ALL, group=OPTIMAL)
    # The resolution is two channels; many counts tell half of it apart.
    assert wide.counts.size == 50
    assert narrow.counts.size > 90


def test_scalings_of_the_background(toy, spectrum_of):
    source = spectrum_of(COUNTS, exposure=1000, backscal=2.0)
    background = spectrum_of(COUNTS * 2, exposure=4000, backscal=5.0, areascal=np.full(100, 0.5))
    found = observe(source, toy.response(), ALL, background=background)
    # 4000 × 5 × 0.5 over 1000 × 2.
    assert found.ratio == pytest.approx(5)
    assert found.scaled == pytest.approx(COUNTS * 2 / 5)
    assert found.scaled_variance == pytest.approx(COUNTS * 2 / 25)
    assert found.background.tolist() == (COUNTS * 2).tolist()


def test_areascal_is_part_of_what_the_model_predicts(toy, spectrum_of):
    half = observe(spectrum_of(COUNTS, areascal=np.full(100, 0.5)), toy.response(), ALL)
    assert half.fold(np.ones(100)) == pytest.approx(
        observe(spectrum_of(COUNTS), toy.response(), ALL).fold(np.ones(100)) / 2
    )


def test_a_group_that_no_photon_reaches_expects_nothing(toy, spectrum_of):
    response = toy.response()
    kept = np.flatnonzero(response.column != 40)
    dark = type(response)(
        **{name: getattr(response, name) for name in response.__dataclass_fields__}
        | {name: getattr(response, name)[kept] for name in ("row", "column", "value")}
    )
    expected = observe(spectrum_of(COUNTS), dark, ALL).fold(np.ones(100))
    assert expected[40] == 0
    assert (np.delete(expected, 40) > 0).all()


def test_channels_that_begin_elsewhere_are_taken_in_order_and_it_says_so(toy, spectrum_of):
    spectrum = spectrum_of(COUNTS, channel=np.arange(1, 101))
    found = observe(spectrum, toy.response(), ALL)
    assert [caution.id for caution in found.cautions] == ["channel-offset"]
    assert found.counts.tolist() == COUNTS.tolist()


def test_a_part_of_the_channels_is_found_by_number(toy, spectrum_of):
    part = spectrum_of(COUNTS[20:60], channel=np.arange(20, 60), channels_in_all=100)
    found = observe(part, toy.response(), ALL)
    assert found.low[0] == pytest.approx(2.1)
    assert found.cautions == ()


def test_what_does_not_belong_together(toy, spectrum_of):
    with pytest.raises(BadInput, match=r"toy\.rmf has 100 channels and made\.pha 90"):
        observe(spectrum_of(COUNTS[:90]), toy.response(), ALL)
    with pytest.raises(BadInput, match=r"toy\.rmf has 100 channels and made\.pha 4096"):
        observe(spectrum_of(np.ones(4096)), toy.response(), ALL)
    with pytest.raises(BadInput, match=r"the background made\.pha has 90 channels and made\.pha 100"):
        observe(spectrum_of(COUNTS), toy.response(), ALL, background=spectrum_of(COUNTS[:90]))
    late = spectrum_of(COUNTS, channel=np.arange(1, 101))
    with pytest.raises(BadInput, match="begins at channel 1 and"):
        observe(spectrum_of(COUNTS), toy.response(), ALL, background=late)
    part = spectrum_of(COUNTS[:40], channel=np.arange(80, 120), channels_in_all=100)
    with pytest.raises(BadInput, match="begins at channel 0 and"):
        observe(part, toy.response(), ALL)
    with pytest.raises(BadInput, match=r"no group of good channels wholly inside 20\.0-30\.0 keV"):
        observe(spectrum_of(COUNTS), toy.response(), Band.parse("20-30"))


@pytest.mark.filterwarnings("ignore")  # Sherpa's reader warns of what it fills in
@pytest.mark.parametrize("statistic", ["wstat", "chi2", "cstat"])
def test_the_chain_is_that_of_sherpa_on_a_real_spectrum(pn, pn_folder, statistic):
    pytest.importorskip("sherpa")
    pytest.importorskip("periodictable")
    model = Model.build(
        "phabs*powerlaw", frozen={"phabs.nH": 0.18, "powerlaw.PhoIndex": 0.7, "powerlaw.norm": 7e-4}
    )
    band = Band.parse("0.5-7")
    background = pn.background if statistic != "cstat" else None
    observed = observe(pn.spectrum, pn.response, band, background=background)
    expected = observed.fold(photons_of(model, observed.energy_low, observed.energy_high)(model.values))
    assert observed.counts.size == 1022
    assert observed.counts.sum() == 42388
    found = float(terms(statistic, observed, expected).sum())
    assert found == pytest.approx(by_sherpa(pn_folder, model, statistic), rel=1e-9)


def by_sherpa(folder, model, statistic):
    """The statistic of a model as Sherpa's readers, grouping, folding and statistics have it."""
    from sherpa.astro import io
    from sherpa.fit import Fit
    from sherpa.models import Parameter
    from sherpa.models.basic import UserModel
    from sherpa.stats import Chi2XspecVar, CStat, WStat

    data = io.read_pha(str(folder / "pn_spec.fits.gz"))
    data.set_background(io.read_pha(str(folder / "pn_backspec.fits.gz")))
    data.set_response(io.read_arf(str(folder / "pn.arf.gz")), io.read_rmf(str(folder / "pn.rmf.gz")))
    own = UserModel("own", [Parameter("own", "unused", 1.0)])
    own.calc = lambda _, low, high: photons_of(model, low, high)(model.values)
    folded = data.get_full_response()(own)
    data.units = "energy"
    low, high = data._get_ebins(group=True)
    data.mask = (low >= 0.5 * (1 - 1e-5)) & (high <= 7 * (1 + 1e-5))
    if statistic == "chi2":
        data.subtract()
    chosen = {"wstat": WStat, "chi2": Chi2XspecVar, "cstat": CStat}[statistic]()
    return Fit(data, folded, chosen).calc_stat()
