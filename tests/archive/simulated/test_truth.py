"""What is said to be true of a simulated dataset is what its files hold."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.events import components, seen_share, target_det
from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.optics import draw_beta_offsets, draw_offsets
from tasks.archive.simulated.programme import PROGRAMME
from tasks.archive.simulated.sources import POWER_LAW, transmission
from tasks.core.identifiers import DataClass
from tasks.xtend.geometry import DET_AIM, PIXEL_ARCMIN

FULL = DataClass("30000010")


@pytest.fixture(scope="module")
def truth(simulated):
    return json.loads((simulated / "truth.json").read_text())


def test_every_dataset_with_files_has_its_truth(truth):
    expected = {
        str(observation.obsid): {str(name) for name in observation.classes}
        for observation in PROGRAMME
        if observation.presence != "none"
    }
    found = {obsid: set(classes) for obsid, classes in truth.items()}
    assert expected.items() <= found.items()


def test_the_target_is_first_and_where_the_catalogue_has_it(truth):
    observation = PROGRAMME[0]
    target = truth["900001010"][FULL]["sources"][0]
    assert target["label"] == "target"
    assert (target["ra"], target["dec"]) == pytest.approx((observation.ra, observation.dec), abs=1e-7)
    assert target["core_arcmin"] == 0
    assert not target["variable"]
    assert truth["900006010"][FULL]["sources"][0]["variable"]


def test_the_net_rate_is_that_of_the_events(tmp_path):
    """Counts in the circle less those of the particle background by area."""
    observation = replace(PROGRAMME[0], field=())
    said = make_observation(tmp_path, observation, seed=3, events=30000)[FULL]
    with fits.open(next(tmp_path.glob("9/*/xtend/event_cl/*_cl.evt.gz"))) as hdus:
        events = np.array(hdus["EVENTS"].data)
        assert said["exposure"] == pytest.approx(hdus["EVENTS"].header["EXPOSURE"])
    in_band = (events["PI"] >= 100) & (events["PI"] <= 1667)
    at = target_det(observation)
    radius = said["source_radius_arcmin"] / PIXEL_ARCMIN
    near = np.hypot(events["DETX"] - at[0], events["DETY"] - at[1]) <= radius
    counts = (near & in_band).sum()
    background = said["background_rate"] * np.pi * radius**2 / (4 * 640**2)
    assert counts > 10000
    assert counts / said["exposure"] == pytest.approx(
        said["net_rate"] + 0.8 * background, rel=3 / np.sqrt(counts) + 0.3 * background / said["net_rate"]
    )


def test_the_norm_is_that_of_the_rate(truth):
    """The model with its parameters, through ARF and RMF as they ship, gives the rate."""
    target = truth["900001010"][FULL]["sources"][0]
    assert target["model"] == "wabs*powerlaw"
    energy = np.arange(0.6, 10, 0.001) + 0.0005
    photons = (
        target["parameters"]["powerlaw.norm"]
        * energy ** -target["parameters"]["powerlaw.PhoIndex"]
        * transmission(energy, target["parameters"]["wabs.nH"])
        * 0.001
    )
    assert target["flux"] == pytest.approx((photons * energy).sum() * 1.602176634e-9, rel=1e-3)


def test_absorption_is_that_of_morrison_and_mccammon():
    energy = np.array([0.3, 1.0, 5.0, 9.0])
    expected = np.array([3.116e-21, 2.422e-22, 3.53e-24, 1.27e-24]) * 1e22
    assert -np.log(transmission(energy, 1.0)) == pytest.approx(expected, rel=1e-2)
    assert transmission(energy, 2.0) == pytest.approx(transmission(energy, 1.0) ** 2)
    beyond = transmission(np.array([0.05, 20.0]), 0.1)
    assert ((beyond > 0) & (beyond <= 1)).all()


def test_an_extended_target_is_as_wide_as_it_says():
    rng = np.random.default_rng(1)
    x, y = draw_beta_offsets(rng, 200_000, 30.0)
    radius = np.hypot(x, y)
    # The cumulative profile of a beta model with beta = 2/3: 1 - 1/sqrt(1 + (r / core)²).
    for at in (10.0, 30.0, 100.0):
        assert (radius < at).mean() == pytest.approx(1 - 1 / np.sqrt(1 + (at / 30) ** 2), abs=0.004)
    assert abs(np.arctan2(y, x).mean()) < 0.02


def test_extended_and_point_targets_give_the_counts_that_fall_on_pixels():
    observation = PROGRAMME[0]
    wide = replace(observation, target=replace(observation.target, core_arcmin=1.5))
    point, extended = (components(one, FULL, 3)[0] for one in (observation, wide))
    assert 0.8 * point.rate < extended.rate < point.rate
    rng = np.random.default_rng(5)
    at = np.array(target_det(observation))
    sizes = []
    for one in (point, extended):
        pixel = one.place(rng, 5000)
        away = np.hypot(pixel % 1810 + 1 - at[0], pixel // 1810 + 1 - at[1])
        sizes.append(np.median(away) * PIXEL_ARCMIN)
    assert sizes[0] < 1.0
    assert 2.0 < sizes[1] < 4.0


def test_a_share_of_everything_is_what_hits_the_detector():
    everything = np.ones((1810, 1810), bool)
    x, y = draw_offsets(np.random.default_rng(2), 10)
    assert x.shape == y.shape == (10,)
    assert seen_share(everything, (905.0, 905.0), 20.0) > 0.95
    assert seen_share(~everything, (905.0, 905.0), 20.0) == 0


def test_the_telescope_can_point_beside_the_target():
    observation = replace(PROGRAMME[0], aim_arcmin=(6.0, 8.0))
    x, y = target_det(observation)
    assert np.hypot(x - DET_AIM, y - DET_AIM) * PIXEL_ARCMIN == pytest.approx(10.0, abs=0.3)
    sky = observation.nominal.sky(observation.ra, observation.dec)
    # The target lies west and south of where the telescope points.
    assert sky.x > 1215.5
    assert sky.y < 1215.5
    assert components(observation, FULL, 3)[0].rate < components(PROGRAMME[0], FULL, 3)[0].rate


def test_norms_go_with_the_rate(tmp_path):
    def target(rate):
        brighter = replace(PROGRAMME[0].target, rate=rate)
        observation = replace(PROGRAMME[0], span=6000.0, target=brighter)
        return make_observation(tmp_path / str(rate), observation, seed=3, events=None)[FULL]["sources"][0]

    one, two = target(0.1), target(0.2)
    assert two["rate"] == pytest.approx(2 * one["rate"])
    assert two["parameters"]["powerlaw.norm"] == pytest.approx(2 * one["parameters"]["powerlaw.norm"])
    assert two["parameters"]["powerlaw.PhoIndex"] == one["parameters"]["powerlaw.PhoIndex"]
    assert POWER_LAW.parameters[-1] == ("powerlaw.norm", 1.0)
