"""The columns of the ObsCore table (IVOA Recommendation 1.1, values of TAP_SCHEMA), and its VOTable."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
from astropy.io.votable.tree import Field, Resource, TableElement, TimeSys, VOTableFile
from astropy.time import Time

from tasks.library.obscore import Row

MODEL: Final = "ivo://ivoa.net/std/ObsCore#core-1.1"
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""


@dataclass(frozen=True)
class Column:
    """A column: its VOTable type (`text` and `region` are strings), and what the standard says of it."""

    name: str
    kind: str
    description: str
    ucd: str | None = None
    utype: str | None = None
    unit: str | None = None


def _model(name: str, kind: str, description: str, ucd: str, utype: str, unit: str | None = None) -> Column:
    return Column(name, kind, description, ucd, f"obscore:{utype}", unit)


_SKY, _TIME = "Char.SpatialAxis", "Char.TimeAxis"
_SPECTRUM, _BOUNDS = "Char.SpectralAxis", "Coverage.Bounds"
_POSITION = f"{_SKY}.Coverage.Location.Coord.Position2D.Value2"

MANDATORY: Final = (
    _model("dataproduct_type", "text", "What sort of product; empty where the standard has no word for it",
           "meta.code.class", "ObsDataset.dataProductType"),
    _model("calib_level", "int", "2: calibrated, 3: derived from such products, 4: result of an analysis",
           "meta.code;obs.calib", "ObsDataset.calibLevel"),
    _model("obs_collection", "text", "Collection of data", "meta.id", "DataID.collection"),
    _model("obs_id", "text", "ObsID", "meta.id", "DataID.observationID"),
    _model("obs_publisher_did", "text", "Identifier of the product", "meta.ref.ivoid",
           "Curation.publisherDID"),
    _model("access_url", "text", "Where the file is", "meta.ref.url", "Access.reference"),
    _model("access_format", "text", "MIME type of the file", "meta.code.mime", "Access.format"),
    _model("access_estsize", "long", "Size of the file", "phys.size;meta.file", "Access.size", "kbyte"),
    _model("target_name", "text", "Target", "meta.id;src", "Target.name"),
    _model("s_ra", "double", "RA of the centre", "pos.eq.ra", f"{_POSITION}.C1", "deg"),
    _model("s_dec", "double", "Dec of the centre", "pos.eq.dec", f"{_POSITION}.C2", "deg"),
    _model("s_fov", "double", "Diameter of a circle around what is covered", "phys.angSize;instr.fov",
           f"{_SKY}.{_BOUNDS}.Extent.diameter", "deg"),
    _model("s_region", "region", "Outline of the exposed pixels, or circle of source or background (STC-S)",
           "pos.outline;obs.field", f"{_SKY}.Coverage.Support.Area"),
    _model("s_resolution", "double", "Width of the core of the point-spread function (FWHM)",
           "pos.angResolution", f"{_SKY}.Resolution.Refval.value", "arcsec"),
    _model("s_xel1", "long", "Pixels along the first axis", "meta.number", f"{_SKY}.numBins1"),
    _model("s_xel2", "long", "Pixels along the second axis", "meta.number", f"{_SKY}.numBins2"),
    _model("t_min", "double", "Begin of the first good time interval (MJD, UTC)", "time.start;obs.exposure",
           f"{_TIME}.{_BOUNDS}.Limits.StartTime", "d"),
    _model("t_max", "double", "End of the last good time interval (MJD, UTC)", "time.end;obs.exposure",
           f"{_TIME}.{_BOUNDS}.Limits.StopTime", "d"),
    _model("t_exptime", "double", "Exposure", "time.duration;obs.exposure",
           f"{_TIME}.Coverage.Support.Extent", "s"),
    _model("t_resolution", "double", "Length of a frame or of a bin", "time.resolution",
           f"{_TIME}.Resolution.Refval.value", "s"),
    _model("t_xel", "long", "Bins of time", "meta.number", f"{_TIME}.numBins"),
    _model("em_min", "double", "Shortest wavelength", "em.wl;stat.min",
           f"{_SPECTRUM}.{_BOUNDS}.Limits.LoLimit", "m"),
    _model("em_max", "double", "Longest wavelength", "em.wl;stat.max",
           f"{_SPECTRUM}.{_BOUNDS}.Limits.HiLimit", "m"),
    _model("em_res_power", "double", "Resolving power at 6 keV", "spect.resolution",
           f"{_SPECTRUM}.Resolution.ResolPower.refVal"),
    _model("em_xel", "long", "Channels", "meta.number", f"{_SPECTRUM}.numBins"),
    _model("o_ucd", "text", "What was measured", "meta.ucd", "Char.ObservableAxis.ucd"),
    _model("pol_states", "text", "Polarization states: none", "meta.code;phys.polarization",
           "Char.PolarizationAxis.stateList"),
    _model("pol_xel", "long", "Polarization states: none", "meta.number", "Char.PolarizationAxis.numBins"),
    _model("facility_name", "text", "Observatory", "meta.id;instr.tel",
           "Provenance.ObsConfig.Facility.name"),
    _model("instrument_name", "text", "Instrument", "meta.id;instr",
           "Provenance.ObsConfig.Instrument.name"),
)  # fmt: skip

MORE: Final = (
    _model("dataproduct_subtype", "text", "Kind of the product", "meta.code.class",
           "ObsDataset.dataProductSubtype"),
    _model("obs_title", "text", "What it is, in a line", "meta.title;obs", "DataID.title"),
    _model("s_pixel_scale", "double", "Size of a pixel", "phys.angSize;instr.pixel",
           f"{_SKY}.Sampling.RefVal.SamplingPeriod", "arcsec"),
    Column("data_class", "text", "Data class of the events", "meta.code.class"),
    Column("role", "text", "Which events it holds, or what it is for", "meta.code.class"),
    Column("recipe", "text", "Name of the recipe it was made by", "meta.id"),
    Column("engine", "text", "How it was made", "meta.id;meta.software"),
    Column("sha256", "text", "Hash of the file", "meta.checksum"),
    Column("cautions", "text", "Known traps that apply, by their names", "meta.code.qual"),
)  # fmt: skip

COLUMNS: Final = MANDATORY + MORE


def write_votable(rows: Sequence[Row], where: IO[bytes]) -> None:
    """Write rows as a VOTable 1.4; their times, MJD in TT, become UTC."""
    votable = VOTableFile(version="1.4")
    resource = Resource(type="results", ID="products")
    known = {"version_1_4_or_later": True}
    times = TimeSys(ID="utc", timescale="UTC", refposition="UNKNOWN", timeorigin="MJD-origin", config=known)
    resource.time_systems.append(times)
    votable.resources.append(resource)
    table = TableElement(votable, name="ivoa.ObsCore", utype=MODEL)
    table.description = (
        "Products of XRISM-Xtend observations, made by xtendflow, as ObsCore 1.1 has them. Positions are "
        "FK5 (J2000), which ICRS agrees with to 0.03 arcsec; times are those of the satellite, in UTC."
    )
    resource.tables.append(table)
    table.fields.extend(_field(votable, column) for column in COLUMNS)
    table.create_arrays(len(rows))
    for column in COLUMNS:
        values = _utc(rows, column.name) if column.name in ("t_min", "t_max") else _values(rows, column)
        table.array[column.name] = values
    votable.to_xml(where)


def _field(votable: VOTableFile, column: Column) -> Field:
    text = column.kind in ("text", "region")
    field = Field(
        votable,
        name=column.name,
        datatype="unicodeChar" if text else column.kind,
        arraysize="*" if text else None,
        ucd=column.ucd,
        utype=column.utype,
        unit=column.unit,
        xtype="adql:REGION" if column.kind == "region" else None,
        ref="utc" if column.name in ("t_min", "t_max") else None,
    )
    field.description = column.description
    return field


def _values(rows: Sequence[Row], column: Column) -> Any:
    """A column with what is not known masked."""
    mask = [row[column.name] is None for row in rows]
    if column.kind in ("text", "region"):
        filled = [_FORBIDDEN.sub("\ufffd", row[column.name] or "") for row in rows]
        return np.ma.array(np.array(filled, object), mask=mask)
    return np.ma.array([row[column.name] or 0 for row in rows], mask=mask)


def _utc(rows: Sequence[Row], name: str) -> Any:
    mask = [row[name] is None for row in rows]
    times = np.array([row[name] or 0.0 for row in rows], float)
    # What is masked must be a time all the same: nobody knows UTC in 1858.
    times[mask] = 51544.5
    return np.ma.array(Time(times, format="mjd", scale="tt").utc.mjd, mask=mask)
