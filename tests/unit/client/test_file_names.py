"""The names of downloaded files."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from prefect_geobox.client import GeoboxClient
from prefect_geobox.client.model.file_names import file_name, file_name_of_header
from prefect_geobox.client.model.text import printable
from tests.kit.payloads import ASSET, OTHER, secret
from tests.kit.raw_server import raw_server

ROADS, RIVERS = "می‌روم.geojson", "نمی‌روم.geojson"


def download(headers: dict[str, bytes], folder: Path) -> list[Path]:
    """Downloads files into a folder; the server sends each with its own disposition."""

    def serve(connection: socket.socket) -> None:
        request = connection.recv(65536).decode()
        found = next(header for uuid, header in headers.items() if uuid in request)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 36\r\nContent-Disposition: " + found + b"\r\n\r\n"
        )
        connection.sendall(request.split("files/")[1][:36].encode())

    with raw_server(serve) as url, GeoboxClient(url, apikey=secret("key")) as client:
        return [client.download_file(uuid, folder, progress_bar=False) for uuid in headers]


def test_two_persian_names_stay_apart(tmp_path: Path) -> None:
    """`filename*` wins over the fallback in ASCII, and joiners stay."""
    found = download(
        {
            uuid: f"attachment; filename=\".geojson\"; filename*=UTF-8''{quote(name)}".encode()
            for uuid, name in ((ASSET, ROADS), (OTHER, RIVERS))
        },
        tmp_path,
    )
    assert [path.name for path in found] == [ROADS, RIVERS]
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == sorted((ASSET, OTHER))


def test_a_name_in_plain_utf8_is_kept(tmp_path: Path) -> None:
    """A server may send the bytes of the name as they are."""
    (found,) = download({ASSET: f'attachment; filename="{ROADS}"'.encode()}, tmp_path)
    assert found.name == ROADS


def test_a_long_name_fits_the_file_system(tmp_path: Path) -> None:
    """A name of many bytes is cut before its ending."""
    name = "ز" * 200 + ".gpkg"
    (found,) = download({ASSET: f"attachment; filename*=UTF-8''{quote(name)}".encode()}, tmp_path)
    assert found.name == "ز" * 125 + ".gpkg"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*=UTF-8''a.csv; filename=b.csv", "a.csv"),
        ("attachment; filename=b.csv", "b.csv"),
        ('attachment; filename="a \\"b\\".csv"', 'a "b".csv'),
        ('attachment; FILENAME="b;c.csv"', "b;c.csv"),
        ("attachment; filename*=iso-8859-1'de'Z%FCrich.csv; filename=x", "Zürich.csv"),
        ("attachment; filename*=UTF-8''Z%FCrich.csv; filename=Zurich.csv", "Zurich.csv"),
        ("attachment; filename*=unknown''a.csv", "a.csv"),
        ("attachment; filename*0=a; filename*1=b.csv", "ab.csv"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ('attachment; filename="C:\\\\maps\\\\a.csv"', "a.csv"),
        ("attachment; filename*=UTF-8''..; filename=ok.csv", "ok.csv"),
        ("attachment", ""),
        ("", ""),
        ("attachment; filename=", ""),
    ],
)
def test_the_name_in_a_header(header: str, name: str) -> None:
    """The extended form wins if it can be read; of a path the last part counts."""
    assert file_name_of_header(header) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("خانه‌های تهران.gpkg", "خانه‌های تهران.gpkg"),
        ("Zu\u0308rich.gpkg", "Zu\u0308rich.gpkg"),
        ("👩\u200d🌾 farms.kml", "👩\u200d🌾 farms.kml"),
        ("a\x00b\nc\x85d\u2028e.csv", "a_b_c_d_e.csv"),
        ("roads\u202egpj.exe", "roads_gpj.exe"),
        ("\udcff.csv", "_.csv"),
        ("  a.csv ", "a.csv"),
        ("..", ""),
        ("a/", ""),
        ("x" * 300 + ".shp.zip", "x" * 247 + ".shp.zip"),
        (
            "parcels.2024-05-01." + "y" * 300 + ".geojson",
            "parcels.2024-05-01." + "y" * 228 + ".geojson",
        ),
        ("z" * 254 + "é", "z" * 254),
        ("a." + "b" * 300, "a." + "b" * 253),
        ("م" * 124 + "\u200c" + "م" * 30 + ".csv", "م" * 124 + ".csv"),
    ],
)
def test_a_name_keeps_its_letters(text: str, name: str) -> None:
    """Letters, marks, joiners and the ending stay; separators and control characters do not."""
    assert file_name(text) == name
    assert len(name.encode()) <= 255


def test_a_log_line_keeps_joiners() -> None:
    """A Persian word is shown with the joiners that are a part of it, and without line breaks."""
    assert printable("می‌روم\n\u202ex") == "می‌روم x"
