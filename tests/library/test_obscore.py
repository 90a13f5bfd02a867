"""The ObsCore table: columns as the standard has them, values as astropy computes them."""

import io
import warnings

import pytest
from astropy import constants, units
from astropy.io import votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table
from astropy.time import Time
from pyvo.dal.query import DALResults
from pyvo.dal.sia2 import ObsCoreRecord

from tasks.core.errors import SoftwareFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.library.coverage import Coverage
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord, Target
from tasks.library.obscore import WAVELENGTH_M_KEV, rows, stc_s, wavelengths
from tasks.library.obscore_columns import COLUMNS, MANDATORY, write_votable
from tasks.xtend.cautions import Caution, Severity

STANDARD = """
dataproduct_type | VARCHAR | | meta.code.class | ObsDataset.dataProductType
calib_level | INTEGER | | meta.code;obs.calib | ObsDataset.calibLevel
obs_collection | VARCHAR | | meta.id | DataID.collection
obs_id | VARCHAR | | meta.id | DataID.observationID
obs_publisher_did | VARCHAR | | meta.ref.ivoid | Curation.publisherDID
access_url | VARCHAR | | meta.ref.url | Access.reference
access_format | VARCHAR | | meta.code.mime | Access.format
access_estsize | BIGINT | kbyte | phys.size;meta.file | Access.size
target_name | VARCHAR | | meta.id;src | Target.name
s_ra | DOUBLE | deg | pos.eq.ra | Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1
s_dec | DOUBLE | deg | pos.eq.dec | Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2
s_fov | DOUBLE | deg | phys.angSize;instr.fov | Char.SpatialAxis.Coverage.Bounds.Extent.diameter
s_region | VARCHAR | | pos.outline;obs.field | Char.SpatialAxis.Coverage.Support.Area
s_resolution | DOUBLE | arcsec | pos.angResolution | Char.SpatialAxis.Resolution.Refval.value
s_xel1 | BIGINT | | meta.number | Char.SpatialAxis.numBins1
s_xel2 | BIGINT | | meta.number | Char.SpatialAxis.numBins2
t_min | DOUBLE | d | time.start;obs.exposure | Char.TimeAxis.Coverage.Bounds.Limits.StartTime
t_max | DOUBLE | d | time.end;obs.exposure | Char.TimeAxis.Coverage.Bounds.Limits.StopTime
t_exptime | DOUBLE | s | time.duration;obs.exposure | Char.TimeAxis.Coverage.Support.Extent
t_resolution | DOUBLE | s | time.resolution | Char.TimeAxis.Resolution.Refval.value
t_xel | BIGINT | | meta.number | Char.TimeAxis.numBins
em_min | DOUBLE | m | em.wl;stat.min | Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit
em_max | DOUBLE | m | em.wl;stat.max | Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit
em_res_power | DOUBLE | | spect.resolution | Char.SpectralAxis.Resolution.ResolPower.refVal
em_xel | BIGINT | | meta.number | Char.SpectralAxis.numBins
o_ucd | VARCHAR | | meta.ucd | Char.ObservableAxis.ucd
pol_states | VARCHAR | | meta.code;phys.polarization | Char.PolarizationAxis.stateList
pol_xel | BIGINT | | meta.number | Char.PolarizationAxis.numBins
facility_name | VARCHAR | | meta.id;instr.tel | Provenance.ObsConfig.Facility.name
instrument_name | VARCHAR | | meta.id;instr | Provenance.ObsConfig.Instrument.name
"""
TYPES = {"VARCHAR": "unicodeChar", "INTEGER": "int", "BIGINT": "long", "DOUBLE": "double"}
FIELD = Coverage(
    start=60232.5,
    stop=60232.9,
    centre=(150.1, 2.2),
    radius=0.45,
    polygons=(((150.4, 1.9), (150.4, 2.5), (149.8, 2.5), (149.8, 1.9)),),
)
AROUND = {"ra": 150.1163, "dec": 2.2058, "radius_arcmin": 2.0, "pixels": {"radius": 67.87391535529434}}
FACTS = {
    Step.PROCESSING: {
        "exposure_s": 20403.76,
        "mode": {"frame_s": 3.96},
        "nominal": {"ra": 150.0, "dec": 2.0, "pa": 0.0},
    },
    Step.REGIONS: {"source": AROUND, "background": AROUND | {"ra": 149.9, "radius_arcmin": None}},
}
HOSTILE = "]]></TD><script>&'\"\u2028 ✨ \x00\x1b[31m\ud800 SN 1987A"


def product(kind, role=Role.FIELD, name="a.fits", **entry):
    return Product(
        step=Step.EXTRACTION, kind=kind, role=role, name=name, entry=entry,
        path=f"extraction-0/{role}-{name}", size=1494720, sha256="0" * 64, fingerprint="0" * 64,
    )  # fmt: skip


def manifest(*products, facts=FACTS, target="N132D"):
    records = {
        step: StepRecord(fingerprint="0" * 64, engine="native", versions={}, calls=(), facts=told)
        for step, told in facts.items()
    }
    return Manifest(
        obsid=ObsID("000128000"),
        dataclass=DataClass("30000010"),
        recipe="standard",
        target=Target(name=target, ra=1, dec=2, origin="asked for") if target else None,
        steps=records,
        products=products,
        cautions=(Caution(id="pile-up", severity=Severity.CAUTION, sentence="It piles up."),),
    )


def of(made, covered=FIELD):
    urls = {item.path: f"s3://bucket/{item.path}" for item in made.products}
    return list(rows(made, "named in the catalogue", covered, urls))


def one(*what, covered=FIELD, **entry):
    (row,) = of(manifest(product(*what, **entry)), covered)
    return row


@pytest.fixture
def written():
    """Rows as a VOTable, read again with every complaint an error."""

    def write(found):
        file = io.BytesIO()
        write_votable(found, file)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return votable.parse(file, verify="exception"), file.getvalue()

    return write


@pytest.mark.parametrize("line", STANDARD.strip().splitlines())
def test_mandatory_columns_are_as_the_standard_has_them(written, line):
    name, kind, unit, ucd, utype = (cell.strip() for cell in line.split("|"))
    table = written([one(Kind.IMAGE)])[0].get_first_table()
    field = table.get_field_by_id_or_name(name)
    assert (field.datatype, str(field.unit or "")) == (TYPES[kind], unit)
    assert (field.ucd, field.utype) == (ucd, f"obscore:{utype}")
    assert (field.arraysize == "*") == (kind == "VARCHAR")


def test_every_mandatory_column_is_looked_at():
    assert [line.split()[0] for line in STANDARD.strip().splitlines()] == [item.name for item in MANDATORY]
    assert len({item.name for item in COLUMNS}) == len(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_words_of_the_vocabulary(column):
    assert column.ucd is None or check_ucd(column.ucd, check_controlled_vocabulary=True)
    if column.unit:
        units.Unit(column.unit, format="vounit")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_product_has_a_row(written, kind):
    role = Role.SOURCE if kind in (Kind.SPECTRUM, Kind.LIGHT_CURVE) else Role.FIELD
    row = one(kind, role)
    assert row.keys() == {column.name for column in COLUMNS}
    for name in ("calib_level", "obs_collection", "obs_id", "obs_publisher_did"):
        assert row[name] not in (None, "")
    assert row["o_ucd"] is None or check_ucd(row["o_ucd"], check_controlled_vocabulary=True)
    known = {"image", "cube", "spectrum", "sed", "timeseries", "visibility", "event", "measurements", None}
    assert row["dataproduct_type"] in known
    assert len(written([row])[0].get_first_table().array) == 1


def test_an_image():
    row = one(Kind.IMAGE, binning=4, kev=[0.6, 10.008], band="0.6-10.0")
    assert (row["dataproduct_type"], row["calib_level"], row["o_ucd"]) == ("image", 2, "phot.count;em.X-ray")
    assert (row["s_xel1"], row["s_xel2"], row["t_xel"], row["em_xel"], row["pol_xel"]) == (607, 607, 1, 1, 0)
    assert (row["access_format"], row["access_estsize"]) == ("image/fits", 1495)
    assert (row["s_ra"], row["s_dec"], row["s_fov"]) == (150.1, 2.2, 0.9)
    shortest, longest = (
        (kev * units.keV).to_value(units.m, equivalencies=units.spectral()) for kev in (10.008, 0.6)
    )
    assert (row["em_min"], row["em_max"]) == (pytest.approx(shortest, 1e-9), pytest.approx(longest, 1e-9))
    assert (row["t_exptime"], row["t_resolution"]) == (20403.76, None)
    assert row["s_pixel_scale"] == pytest.approx(7.07193621, 1e-6)


def test_events_are_not_sampled():
    row = one(Kind.EVENTS, Role.FIELD, "a_cl.evt.gz")
    assert [row[name] for name in ("s_xel1", "s_xel2", "t_xel", "em_xel")] == [-1] * 4
    assert (row["dataproduct_type"], row["o_ucd"], row["t_resolution"]) == ("event", None, 3.96)
    assert row["access_format"] == "application/x-fits-gzip"


def test_what_is_of_the_source_has_its_circle():
    row = one(Kind.LIGHT_CURVE, Role.SOURCE, time_bin=200.0)
    assert row["s_region"] == "CIRCLE ICRS 150.116300 2.205800 0.033333"
    assert (row["s_ra"], row["s_fov"]) == (150.1163, pytest.approx(4 / 60, rel=1e-6))
    assert (row["t_resolution"], row["dataproduct_type"]) == (200.0, "timeseries")


def test_a_region_that_is_no_circle_has_the_circle_around_it_as_its_size():
    row = one(Kind.SPECTRUM, Role.BACKGROUND)
    assert (row["s_ra"], row["s_region"]) == (149.9, None)
    assert row["s_fov"] == pytest.approx(4 / 60, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "role", "level"),
    [
        (Kind.SPECTRUM, Role.SOURCE, 2),
        (Kind.LIGHT_CURVE, Role.NET, 3),
        (Kind.RATE_IMAGE, Role.FIELD, 3),
        (Kind.FIT, Role.SOURCE, 4),
    ],
)
def test_levels(kind, role, level):
    assert one(kind, role)["calib_level"] == level


@pytest.mark.parametrize(
    ("name", "kind", "format"),
    [
        ("a.reg", Kind.REGION, "text/plain"),
        ("load.xcm", Kind.LOADER, "text/plain"),
        ("load_sherpa.py", Kind.LOADER, "text/x-python"),
        ("a-fit.json", Kind.FIT, "application/json"),
        ("a.rmf", Kind.RMF, "application/fits"),
        ("a.bimg.gz", Kind.BAD_PIXELS, "image/x-fits-gzip"),
    ],
)
def test_formats(name, kind, format):  # noqa: A002
    assert one(kind, Role.FIELD, name)["access_format"] == format


def test_without_an_exposure_map_or_anything():
    row = one(Kind.IMAGE, covered=None)
    assert (row["s_ra"], row["s_dec"], row["s_region"], row["t_min"]) == (150.0, 2.0, None, None)
    (row,) = of(manifest(product(Kind.IMAGE), facts={}, target=None), None)
    assert (row["s_ra"], row["t_exptime"], row["engine"]) == (None, None, None)
    assert row["target_name"] == "named in the catalogue"


def test_simulated_data_say_so():
    simulated = {Step.PROCESSING: FACTS[Step.PROCESSING] | {"simulated": True}}
    (row,) = of(manifest(product(Kind.IMAGE), facts=simulated))
    assert row["obs_collection"] == "XRISM-Xtend simulated"
    assert one(Kind.IMAGE)["obs_collection"] == "XRISM-Xtend"


def test_products_have_names_of_their_own():
    found = of(manifest(*(product(Kind.SPECTRUM, role) for role in (Role.SOURCE, Role.BACKGROUND))))
    assert len({row["obs_publisher_did"] for row in found}) == 2
    assert {row["obs_id"] for row in found} == {"000128000"}


def test_wavelengths():
    exact = (constants.h * constants.c).to_value(units.keV * units.m)
    assert pytest.approx(exact, 1e-12) == WAVELENGTH_M_KEV
    assert wavelengths((1.2398419843320026, 12.398419843320026)) == pytest.approx((1e-10, 1e-9))
    for band in ((0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)):
        with pytest.raises(SoftwareFault, match="has no wavelengths"):
            wavelengths(band)


def test_regions():
    assert stc_s(FIELD) == (
        "POLYGON ICRS 150.400000 1.900000 150.400000 2.500000 149.800000 2.500000 149.800000 1.900000"
    )
    twice = FIELD.model_copy(update={"polygons": FIELD.polygons * 2})
    assert stc_s(twice).startswith("UNION ICRS (POLYGON 150.400000 1.9")
    assert stc_s(twice).count("POLYGON") == 2


def test_times_are_utc(written):
    table = written([one(Kind.IMAGE), one(Kind.IMAGE, covered=None)])[0].get_first_table().to_table()
    assert table["t_min"][0] == pytest.approx(Time(60232.5, format="mjd", scale="tt").utc.mjd, abs=1e-9)
    assert (60232.5 - table["t_min"][0]) * 86400 == pytest.approx(69.184, abs=1e-3)
    assert table["t_min"].mask.tolist() == [False, True]


def test_the_frame_of_times_is_told(written):
    opened, raw = written([one(Kind.IMAGE)])
    (system,) = opened.resources[0].time_systems
    assert (system.timescale, system.timeorigin) == ("UTC", "MJD-origin")
    assert opened.get_first_table().get_field_by_id_or_name("t_max").ref == system.ID
    assert b'version="1.4"' in raw
    assert opened.get_first_table().utype == "ivo://ivoa.net/std/ObsCore#core-1.1"


def test_hostile_names_survive(written):
    (row,) = of(manifest(product(Kind.IMAGE), target=HOSTILE))
    opened, raw = written([row])
    found = opened.get_first_table().to_table()["target_name"][0]
    assert found == HOSTILE.translate({0: "\ufffd", 0x1B: "\ufffd", 0xD800: "\ufffd"})
    assert b"<script" not in raw


def test_nothing_is_a_table_too(written):
    assert len(written([])[0].get_first_table().array) == 0


def test_what_astropy_and_pyvo_make_of_it(written, tmp_path):
    found = of(manifest(product(Kind.IMAGE, binning=4), product(Kind.EVENTS), product(Kind.REGION)))
    opened, raw = written(found)
    (tmp_path / "obscore.vot").write_bytes(raw)
    table = Table.read(tmp_path / "obscore.vot")
    assert len(table) == 3
    assert table["s_ra"].unit == units.deg
    assert table["s_xel1"].mask.tolist() == [False, False, True]
    record = ObsCoreRecord(DALResults(opened), 0)
    assert (record.dataproduct_type, record.obs_id, record.target_name) == ("image", "000128000", "N132D")
    assert (record.s_ra, record.s_dec, record.s_fov) == (150.1 * units.deg, 2.2 * units.deg, 0.9 * units.deg)
    assert record.access_url == "s3://bucket/extraction-0/field-a.fits"
