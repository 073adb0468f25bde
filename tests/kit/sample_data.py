"""The project's folder and the sample files that its flows publish."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT / "flows" / "data"
#: 243 points in WGS 84.
CITIES = DATA / "cities.geojson"
#: 177 polygons in WGS 84.
COUNTRIES = DATA / "countries.geojson"
