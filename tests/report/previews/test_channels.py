"""Energy against channel: what is drawn and told of an RMF and the bands."""

import numpy as np
import pytest
from PIL import Image

from tasks.core.errors import NoData, Permanent
from tasks.core.identifiers import Band
from tasks.library.manifest import Kind
from tasks.report.previews.channels import bands_of, draw_channels


def drawn(dataset):
    return draw_channels(dataset.manifest(), dataset.folder, dataset.folder / "channels.png")


def test_the_line_of_the_rmf_with_every_band(dataset):
    dataset.everything()
    picture = drawn(dataset)
    assert picture.alt == (
        "Energy against PI channel by EBOUNDS of the RMF, which rises to 24.6 keV in channel 4095, "
        "with 4 bands marked."
    )
    assert picture.caption == (
        "The RMF agrees with 6 eV per channel. Bars mark the channels of the bands, both ends included: "
        "0.6–2 keV is 100–334; 0.6–10 keV is 100–1667; 2–6 keV is 333–1001; 6–10 keV is 1000–1667."
    )
    with Image.open(dataset.folder / "channels.png") as image:
        assert image.size[0] == 900
        assert np.ptp(np.asarray(image.convert("L"))) > 100


def test_bands_come_once_and_in_order(dataset):
    dataset.image(band="0.6-10.0", binning=1)
    dataset.image(band="0.6-10.0", binning=4)
    dataset.image(band="0.6-2.0")
    assert list(bands_of(dataset.manifest())) == [Band.parse("0.6-2"), Band.parse("0.6-10")]


def test_an_rmf_of_other_channels_is_told(dataset):
    dataset.response(width=0.01)
    assert drawn(dataset).caption == (
        "The RMF has not 6 eV per channel in its EBOUNDS. "
        "Bars mark the channels of the bands, both ends included: there is none."
    )


def test_without_an_rmf_there_is_none(dataset):
    dataset.image()
    with pytest.raises(NoData, match="there is no RMF"):
        drawn(dataset)


def test_a_file_that_is_no_rmf(dataset):
    dataset.add(Kind.RMF, "source", "broken.rmf", content="none")
    with pytest.raises(Permanent, match=r"broken\.rmf cannot be drawn"):
        drawn(dataset)
