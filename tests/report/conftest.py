"""A dataset on disk as the report finds it: small products with real keywords, and a manifest."""

import contextlib
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.library.history import Tried
from tasks.library.manifest import InputFile, Kind, Manifest, Product, Role, Step, StepRecord, Target
from tasks.library.rows import DatasetRow, ObservationRow, Sighting
from tasks.library.spectral.result import FitResult
from tasks.library.summarising import results_of
from tasks.library.summary import Result, Summary
from tasks.report.dataset import dataset_page
from tasks.report.pictures import Pictures
from tasks.report.previews.drawing import draw_pictures
from tasks.report.site_catalogue import Facts
from tasks.report.site_known import Known
from tasks.xtend.cautions import caution, notice, severe

OBSID, DATACLASS = "900000010", "30000010"
DONE = Standing(state="done")
RA, DEC = 187.70593, 12.39112
PIXEL_DEG = 0.000491106681541
TIMES = {"MJDREFI": 58484, "MJDREFF": 8.007407407407410e-04, "TIMESYS": "TT", "RADECSYS": "FK5"}
BANDS = {"0.6-2.0": [100, 334], "2.0-6.0": [333, 1001], "6.0-10.0": [1000, 1667]}


@dataclass
class Dataset:
    """Writes products into a folder and keeps the manifest's list of them."""

    folder: Path
    simulated: bool = True
    products: list[Product] = field(default_factory=list)
    fitted: dict | None = None

    def add(self, kind, role, name, content=None, **entry):
        path = self.folder / name
        if content is not None:
            path.write_text(content)
        raw = path.read_bytes()
        step = Step.REGIONS if kind == Kind.REGION else Step.EXTRACTION
        self.products.append(
            Product(
                step=step,
                kind=kind,
                role=role,
                name=name,
                entry=entry,
                path=f"{step}-0123456789ab/{name}",
                size=len(raw),
                sha256=hashlib.sha256(raw).hexdigest(),
                fingerprint="f" * 64,
            )
        )
        return path

    def image(self, kind=Kind.RATE_IMAGE, pixels=None, band="0.6-10.0", binning=4):
        size = 2430 // binning
        if pixels is None:
            pixels = np.random.default_rng(1).poisson(0.3, (size, size)) * 5e-5
            pixels[: size // 4] = np.nan
        header = fits.Header(
            {
                **TIMES,
                "CTYPE1": "RA---TAN",
                "CRPIX1": 1215.5 / binning + (binning - 1) / (2 * binning),
                "CRVAL1": RA,
                "CDELT1": -PIXEL_DEG * binning,
                "CTYPE2": "DEC--TAN",
                "CRPIX2": 1215.5 / binning + (binning - 1) / (2 * binning),
                "CRVAL2": DEC,
                "CDELT2": PIXEL_DEG * binning,
                "CROTA2": 0.0,
                "BUNIT": "count/s" if kind == Kind.RATE_IMAGE else "count",
                "SIMULATD": self.simulated,
            }
        )
        name = f"{kind}-{band}-bin{binning}.fits"
        fits.PrimaryHDU(np.asarray(pixels, "f4"), header).writeto(self.folder / name, overwrite=True)
        return self.add(kind, Role.FIELD, name, band=band, channels=[100, 1667], binning=binning)

    def exposure_map(self, pixels=None, binning=4):
        """An exposure map on the grid of the images, exposed for 20 ks but for a strip."""
        size = 2430 // binning
        if pixels is None:
            pixels = np.zeros((size, size))
            pixels[size // 4 :] = 20000.0
        self.image(Kind.EXPOSURE_MAP, pixels, binning=binning)
        made = self.products[-1]
        self.products[-1] = made.model_copy(update={"entry": {"binning": binning}})
        return self.folder / made.name

    def loaders(self):
        for name in ("load.xcm", "load_sherpa.py"):
            files = {"spectrum": "source.pha", "background": None, "rmf": "source.rmf", "arf": None}
            self.add(Kind.LOADER, Role.SOURCE, name, "# loads it\n", files=files, others=[], kev=[0.5, 10.0])

    def curve(self, role=Role.SOURCE, band="0.6-2.0", rate=None, fraction=None, width=200.0, **keywords):
        if rate is None:
            rate = np.random.default_rng(2).poisson(100, 40) / width
        rate = np.asarray(rate, float)
        fraction = np.ones(rate.size) if fraction is None else np.asarray(fraction, float)
        columns = {"TIME": np.arange(rate.size) * width, "RATE": rate, "ERROR": rate * 0, "FRACEXP": fraction}
        formats = {"TIME": "D", "RATE": "E", "ERROR": "E", "FRACEXP": "E"}
        hdu = fits.BinTableHDU.from_columns(
            [fits.Column(name, formats[name], array=values) for name, values in columns.items()],
            fits.Header(
                {
                    **TIMES,
                    "TIMEZERO": 170000048.25 + width / 2,
                    "TIMEDEL": width,
                    "TIMEPIXR": 0.5,
                    "SIMULATD": self.simulated,
                    **keywords,
                }
            ),
            name="RATE",
        )
        name = f"{role}-{band}-lightcurve.fits"
        good = {"START": [170000048.25], "STOP": [170000048.25 + width * max(rate.size, 1)]}
        gti = fits.BinTableHDU.from_columns(
            [fits.Column(key, "D", array=values) for key, values in good.items()], name="GTI"
        )
        fits.HDUList([fits.PrimaryHDU(), hdu, gti]).writeto(self.folder / name, overwrite=True)
        channels = BANDS.get(band, [100, 1667])
        return self.add(Kind.LIGHT_CURVE, role, name, band=band, channels=channels, time_bin=width)

    def spectrum(self, role=Role.SOURCE, counts=None, grouping=None, area=0.002, exposure=20000.0):
        if counts is None:
            energy = (np.arange(4096) + 0.5) * 0.006
            counts = np.random.default_rng(3).poisson(60 * energy * np.exp(-energy))
        columns = [
            fits.Column("CHANNEL", "J", array=np.arange(len(counts))),
            fits.Column("COUNTS", "J", array=np.asarray(counts)),
        ]
        if grouping is not None:
            columns.append(fits.Column("QUALITY", "I", array=np.zeros(len(counts))))
            columns.append(fits.Column("GROUPING", "I", array=grouping))
        header = fits.Header(
            {**TIMES, "EXPOSURE": exposure, "BACKSCAL": area, "AREASCAL": 1.0, "SIMULATD": self.simulated}
        )
        hdu = fits.BinTableHDU.from_columns(columns, header, name="SPECTRUM")
        kind = Kind.SPECTRUM if grouping is None else Kind.GROUPED_SPECTRUM
        name = f"{role}-{kind}.fits"
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(self.folder / name, overwrite=True)
        entry = {} if grouping is None else {"grouping": "min:1"}
        return self.add(kind, role, name, **entry)

    def fit(self, cautions=(), **changes):
        """A power law of 60 groups with a few counts each, as a fit leaves it."""
        edges = np.geomspace(0.5, 10, 61)
        low, high = edges[:-1], edges[1:]
        model = 0.2 * np.sqrt(low * high) ** -1.5 * np.exp(-1 / (low + high))
        error = np.sqrt(model / (high - low) / 5000)
        rate = model + error * np.random.default_rng(6).normal(size=60)
        curve = {"low": low, "high": high, "rate": rate, "error": error, "model": model}
        result = FitResult.model_validate(
            {
                "model": "phabs*powerlaw",
                "abundances": "angr",
                "band": "0.5-10.0",
                "parameters": {
                    "phabs.nH": {"value": 0.07, "low": None, "high": None, "frozen": True,
                                 "unit": "1e22 cm^-2"},
                    "powerlaw.PhoIndex": {"value": 1.7532, "low": 1.7011, "high": 1.8063, "frozen": False,
                                          "unit": ""},
                    "powerlaw.norm": {"value": 1.98765e-5, "low": 1.9e-5, "high": None, "frozen": False,
                                      "unit": "photons / (keV cm^2 s) at 1 keV"},
                },
                "statistic": {"name": "wstat", "value": 61.234},
                "dof": 58,
                "groups": 60,
                "counts": 12345.0,
                "flux": {"value": 3.4127e-12, "band": "0.5-10.0 keV"},
                "converged": True,
                "cautions": cautions,
                "engine": "sherpa",
                "versions": {"sherpa": "4.19.0", "periodictable": "2.0.2"},
                "grouping": "opt",
                "curve": {name: values.tolist() for name, values in curve.items()},
            } | changes
        )  # fmt: skip
        self.fitted = result.model_dump(mode="json", exclude={"curve", "cautions"})
        path = self.add(
            Kind.FIT, Role.SOURCE, "source-fit.json", result.model_dump_json(), model=result.model
        )
        own = {"step": Step.FIT, "cautions": result.cautions}
        self.products[-1] = self.products[-1].model_copy(update=own)
        return path

    def region(self, role, text, frame="skypix"):
        return self.add(Kind.REGION, role, f"{frame}_{OBSID}_{role}.reg", text, frame=frame)

    def response(self, width=0.006):
        """An RMF with its EBOUNDS alone."""
        channel = np.arange(4096)
        bounds = {"CHANNEL": channel, "E_MIN": channel * width, "E_MAX": (channel + 1) * width}
        columns = [fits.Column(name, "E", array=values) for name, values in bounds.items()]
        table = fits.BinTableHDU.from_columns(columns, name="EBOUNDS")
        table.header["SIMULATD"] = self.simulated
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(self.folder / "source.rmf", overwrite=True)
        return self.add(Kind.RMF, Role.SOURCE, "source.rmf", origin="archive")

    def everything(self):
        self.image()
        self.image(Kind.IMAGE, np.random.default_rng(1).poisson(0.1, (607, 607)))
        self.exposure_map()
        self.loaders()
        self.region(Role.SOURCE, "physical\ncircle(1215.5,1215.5,67.87)\n-circle(2005.8,1090.6,92)\n")
        self.region(Role.BACKGROUND, "physical\ncircle(1516.5,1231.9,101.8)\n")
        self.region(Role.CALIBRATION, f'fk5\ncircle({RA},{DEC + 0.2},163")\n', frame="radec")
        for band in BANDS:
            for role, rate in ((Role.SOURCE, 0.5), (Role.BACKGROUND, 0.02), (Role.NET, 0.49)):
                noise = np.random.default_rng(4).normal(0, 0.005, 40)
                self.curve(role, band, rate + noise)
        self.spectrum(grouping=np.ones(4096))
        self.spectrum(Role.BACKGROUND, np.random.default_rng(5).poisson(0.2, 4096), area=0.005)
        self.response()
        self.fit()
        return self

    def manifest(self, **other):
        made = Manifest(
            **{
                "obsid": OBSID,
                "dataclass": DATACLASS,
                "recipe": "standard",
                "target": Target(name="M 87", ra=RA, dec=DEC, origin="RA_OBJ/DEC_OBJ of the events"),
                "inputs": (InputFile(name="xtend/event_cl/a_cl.evt.gz", size=1234567, sha256="1a" * 32),),
                "steps": {
                    Step.PROCESSING: StepRecord(
                        fingerprint="0" * 64,
                        engine="native",
                        versions={"xtendflow": "0.1.0"},
                        calls=({"function": "tasks.engines.native.adopt:adopt", "parameters": {"n": 1}},),
                        facts={
                            "archive": {"PROCVER": "03.00.013.009", "CALDBVER": "gen20250315", "SEQPNUM": 3},
                            "exposure_s": 20403.76,
                        },
                        cautions=(notice("adopted-events", "The archive's cleaned events are used."),),
                    ),
                    **self._record_of_fit(),
                },
                "products": tuple(self.products),
                "cautions": (
                    severe("pile-up", 'Too bright: 9 ct/s & "rising".'),
                    caution("near", "An edge."),
                ),
                **other,
            }
        )
        (self.folder / "manifest.json").write_text(made.model_dump_json(by_alias=True))
        return made

    def page(self, target="M 87", standing=DONE, log_tail=""):
        """Draws the pictures and writes the page beside them; gives what their call reports."""
        with contextlib.chdir(self.folder):
            report = draw_pictures()
        pictures = Pictures.model_validate(report.facts)
        manifest = Manifest.model_validate_json((self.folder / "manifest.json").read_bytes())
        page = dataset_page(OBSID, DATACLASS, target, standing, manifest, pictures, log_tail)
        (self.folder / "index.html").write_text(page, encoding="utf-8")
        return report

    def _record_of_fit(self):
        if self.fitted is None:
            return {}
        told = {"fingerprint": "1" * 64, "engine": "native", "versions": {"sherpa": "4.19.0"}, "calls": ()}
        return {Step.FIT: StepRecord(**told, facts={"fit": self.fitted})}


class _Page(HTMLParser):
    """What a test asks of a page: its links, its pictures, its text, and where it fetches from."""

    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.fetched, self.ids, self.tags = [], [], [], [], []
        self.words = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(values["href"])
        if tag == "img":
            self.images.append(values)
        self.fetched += [values[name] for name in ("src", "srcset", "data", "poster") if name in values]
        if tag == "link":
            self.fetched.append(values["href"])
        if "id" in values:
            self.ids.append(values["id"])

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="session")
def new_dataset():
    """What makes a dataset in a folder."""
    return Dataset


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path)


@pytest.fixture
def parse():
    return _Page


@pytest.fixture
def summary():
    """A sweep with a result of every kind; `results` replaces them."""
    start = datetime(2026, 11, 21, 6, 30, 12, tzinfo=timezone(timedelta(hours=1)))

    def result(obsid, dataclass, target, seconds, cautions=(), **standing):
        return Result(
            obsid=obsid,
            dataclass=dataclass,
            target=target,
            standing=Standing(**standing),
            why="new in the archive",
            seconds=seconds,
            cautions=cautions,
        )

    def make(results=None):
        cautions = (caution("a", "One."), severe("b", "Two."))
        rows = [
            result("900000010", "30000010", "M 87", 41.2, cautions, state="done"),
            result("900000020", "31100010", "Cen A", 3.0, state="failed", kind="permanent", reason="cut off"),
            result("900000030", None, "NGC 1", 0.0, state="skipped", kind="not-public", reason="until 2027"),
            result("900000040", "300000a0", "NGC 2", 0.0, state="done"),
        ]
        return Summary(
            sweep="2026-11-21T05-30-12-1a2b3c",
            recipe="standard",
            archive="s3://nasa-heasarc/xrism/data/obs",
            catalogue="heasarc",
            store="sweep-data/store",
            started=start,
            ended=start + timedelta(seconds=141),
            found=4,
            results=tuple(rows if results is None else [result(**row) for row in results]),
        )

    return make


@pytest.fixture
def observed():
    """Makes what is known of an observation, as ledger and catalogue would tell it."""

    def make(obsid="900000010", name="M 87", datasets=None, state="done", facts=None, **standing):
        moment = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
        stands = Standing(state=state, **standing)
        row = ObservationRow(
            obsid=ObsID(obsid), name=name, catalogue="a" * 64, selection=None, basis={}, standing=stands,
            attempts=0, why="new", listing=None, looked=None, since=moment, updated=moment,
        )  # fmt: skip
        rows = tuple(
            DatasetRow(
                obsid=ObsID(obsid), dataclass=DataClass(dataclass), standing=stand, manifest="b" * 64,
                recipe="standard", engine="native", cautions=cautions, updated=moment,
            )
            for dataclass, (stand, cautions) in (datasets or {}).items()
        )  # fmt: skip
        sighting = Sighting(row.obsid, name, "", stands, row.why)
        return Known(row, facts or Facts(), rows, tuple(results_of(sighting, None, rows)), Tried())

    return make


@pytest.fixture
def archive(observed):
    """An archive of so many observations of two data classes each, every fourth of them failed."""
    words = (
        "the archive's cleaned events are damaged: their compression ended before it should have, at byte "
    )
    named = ("adopted-events", "pile-up", "quick-look")
    usual = (*(notice(name, "One.") for name in named), caution("edge", "Two."), severe("low", "Three."))

    def make(number):
        for count in range(number):
            bad = count % 4 == 3
            stand = Standing(state="failed", kind="permanent", reason=f"{words}{count}") if bad else DONE
            yield observed(
                f"{800_000_000 + count}", f"Target {count % 97} of the survey",
                {"31100010": (stand, usual), "32000010": (stand, usual[:4])},
                stand.state, Facts(start_mjd=60300.0 + count / 3, exposure=20_000.0 + count),
                kind=stand.kind, reason=stand.reason,
            )  # fmt: skip

    return make
