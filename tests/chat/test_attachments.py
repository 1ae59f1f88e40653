"""Files as people have them, and as attackers make them: each becomes text, or one sentence."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from pathlib import Path

import docx
import pypdf
import pytest

from edgemind.chat.attachments import docx as docx_reader
from edgemind.chat.attachments import extracting, pdf, reading
from edgemind.chat.attachments.types import Attachment
from edgemind.errors import BadInput


def pdf_of(pages: list[str], stream: bytes | None = None) -> bytes:
    """A PDF written by hand: one content stream a page."""
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    kids = []
    for text in pages:
        content = stream or f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode("latin-1")
        objects.append(
            b"<< /Length %d%b >>\nstream\n%b\nendstream"
            % (len(content), b" /Filter /FlateDecode" if stream else b"", content)
        )
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def docx_with(document_xml: str | bytes) -> bytes:
    """A Word document whose main part is replaced."""
    plain = io.BytesIO()
    docx.Document().save(plain)
    made = io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, document_xml if part.filename == "word/document.xml" else old.read(part))
    return made.getvalue()


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def attach(folder: Path, name: str, data: bytes) -> Attachment:
    file = folder / name
    file.write_bytes(data)
    return reading.read(file)


def refused(folder: Path, name: str, data: bytes) -> str:
    with pytest.raises(BadInput) as caught:
        attach(folder, name, data)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert name in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "text", "note"),
    [
        ("naïve\r\ncafé\n".encode(), "naïve\ncafé\n", ""),
        ("naïve".encode("utf-8-sig"), "naïve", ""),
        ("naïve, 5 €\n".encode("utf-16"), "naïve, 5 €\n", ""),
        ("name;age\nZoë;41\n".encode("utf-16-le"), "name;age\nZoë;41\n", "UTF-16"),
        ("name;age\nZoë;41\n".encode("utf-16-be"), "name;age\nZoë;41\n", "UTF-16"),
        ("naïve".encode("utf-32"), "naïve", ""),
        ("Größe;5 €\n".encode("cp1252"), "Größe;5 €\n", "Windows-1252"),
        (b"a\x81b\xe9", "a\x81bé", "Latin-1"),
        ("naïve é".encode()[:-1], "naïve ", "cut off"),
    ],
)
def test_encodings(tmp_path: Path, data: bytes, text: str, note: str) -> None:
    read = attach(tmp_path, "table.csv", data)
    assert (read.text, read.info.kind) == (text, "table")
    assert note in read.info.note
    assert bool(note) == bool(read.info.note)
    assert read.info.characters == len(text)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(60), "a program"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "a picture"),
        (b"GGUF" + bytes(60), "a model"),
        (bytes(range(256)) * 4, "not text"),
        (b"\x01\x02\x03\x04 words", "not text"),
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    assert what in refused(tmp_path, "thing.txt", data)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, what in (
        ("none", "no file"),
        ("pipe", "no ordinary file"),
        (".", "a folder"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(BadInput, match=what):
            reading.read(tmp_path / name)


def test_a_name_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        reading.read(tmp_path / "a\x1b[2Jb")
    assert "\x1b" not in caught.value.message


def test_of_a_huge_text_the_beginning_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_TEXT", 2000)
    read = attach(tmp_path, "big.log", b"line\n" * 1000)
    assert len(read.text) == 2000
    assert "first" in read.info.note


def test_a_pdf_page_by_page(tmp_path: Path) -> None:
    read = attach(tmp_path, "Report.PDF", pdf_of(["The first page.", "", "The third page."]))
    assert read.text == "The first page.\n\f\n\fThe third page.\n"
    assert (read.info.kind, read.info.pages) == ("pdf", 3)
    assert "one page without text" in read.info.note


def test_a_pdf_with_a_password(tmp_path: Path) -> None:
    for password, readable in (("", True), ("secret", False)):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_of(["Locked up."])))
        writer.encrypt(password, "owner", algorithm="AES-256")
        made = io.BytesIO()
        writer.write(made)
        if readable:
            assert "Locked up." in attach(tmp_path, "open.pdf", made.getvalue()).text
        else:
            assert "encrypted" in refused(tmp_path, "closed.pdf", made.getvalue())


def test_a_pdf_bomb_is_refused_by_the_child(tmp_path: Path) -> None:
    refused(tmp_path, "bomb.pdf", pdf_of(["x"], stream=zlib.compress(bytes(200 << 20), 1)))


def test_damaged_pdfs() -> None:
    sound = pdf_of(["words"])
    loop = sound.replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]")
    assert loop != sound
    for data in (loop, sound[: len(sound) // 3], b"%PDF-1.7\n" + os.urandom(5000), pdf_of(["", ""])):
        found = pdf.text_of(io.BytesIO(data))
        assert found.problem
        assert found.hint


def test_of_too_many_pages_the_first_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_PAGES", 3)
    found = pdf.text_of(io.BytesIO(pdf_of([f"Page {number}" for number in range(9)])))
    assert found.text.count("Page") == 3
    assert "first 3 of 9 pages" in found.note
    monkeypatch.setattr(pdf, "SECONDS", -1.0)
    assert "no text" in pdf.text_of(io.BytesIO(pdf_of(["x"]))).problem


def test_a_word_document(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Findings", 1)
    document.add_paragraph("Pressure 120/80.")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Drug", "Dose"
    document.add_paragraph("The end.")
    made = io.BytesIO()
    document.save(made)
    read = attach(tmp_path, "notes.docx", made.getvalue())
    lines = [line.split() for line in read.text.splitlines() if line.strip()]
    assert lines == [["Findings"], ["Pressure", "120/80."], ["Drug", "Dose"], ["The", "end."]]


def word(run: str, before: str = "") -> docx_reader.Extracted:
    """What is read from a document whose one paragraph holds this XML."""
    xml = f"{before}<w:document {W}><w:body><w:p>{run}</w:p></w:body></w:document>"
    return docx_reader.text_of(io.BytesIO(docx_with(xml)))


def test_tracked_changes_of_a_word_document() -> None:
    taken_out = "<w:del><w:r><w:delText>nine</w:delText></w:r></w:del>"
    found = word(f"<w:r><w:t>Give </w:t></w:r><w:ins><w:r><w:t>two</w:t></w:r></w:ins>{taken_out}")
    assert found.text == "Give two\n"


def test_entities_in_a_word_document_stay_shut(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("planted secret")
    found = word("<w:r><w:t>&x;</w:t></w:r>", f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]>')
    assert found.problem
    assert "planted" not in found.text
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    assert word("<w:r><w:t>&l9;</w:t></w:r>", f'<!DOCTYPE d [<!ENTITY l0 "ha">{laughs}]>').problem


def test_hostile_word_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    assert word("<w:p>" * 10_000 + "</w:p>" * 10_000).problem
    for data in (docx_with("<x/>")[:500], docx_with("no XML")):
        assert docx_reader.text_of(io.BytesIO(data)).problem
    monkeypatch.setattr(docx_reader, "MOST_UNPACKED", 1 << 20)
    assert "unpacks to more" in docx_reader.text_of(io.BytesIO(docx_with(b" " * (2 << 20)))).problem


def test_other_archives_are_no_documents(tmp_path: Path) -> None:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("a.txt", "words")
    assert "no Word document" in docx_reader.text_of(plain).problem
    assert "a zip archive" in refused(tmp_path, "plain.zip", plain.getvalue())


def test_a_document_that_takes_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracting, "SECONDS", 0.01)
    assert "takes longer" in refused(tmp_path, "slow.pdf", pdf_of(["words"]))
