"""Images as a person sees them: the same picture however it is stored, or a refusal that names file and reason."""

import os
import re
import struct
import threading
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from sembench.data import seeing
from sembench.data.image_files import decode
from sembench.data.seeing import as_seen
from sembench.errors import DataDamaged

ROWS, COLUMNS = 6, 10


def smooth(colour=True):
    """A picture without symmetry: brighter to the right and downwards, with a dark corner; ``(H, W, 3)``, uint8."""
    down, across = np.mgrid[0:ROWS, 0:COLUMNS]
    red = 20 + 12 * across + 17 * down
    values = np.stack([red, 250 - red, 40 + 20 * across] if colour else [red] * 3, 2)
    values[:2, :2] = 10
    return values.astype(np.uint8)


PICTURE, GREY = smooth(), smooth(colour=False)


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(values, bits, kind, *more):
    """A PNG written by hand: ``(H, W, channels)`` of 16 bits, or ``(H, W)`` of fewer, of a colour type."""
    height, width = values.shape[:2]
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        packed = [np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -bits:].ravel() for row in values]
        rows = [np.packbits(row).tobytes() for row in packed]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def differs(path, expected=PICTURE):
    """The largest difference from an expected picture ``(H, W, 3)``, in steps of 255."""
    found = as_seen(path)
    assert found.dtype == torch.uint8
    assert tuple(found.shape) == (3, *expected.shape[:2])
    return np.abs(found.permute(1, 2, 0).numpy().astype(int) - expected.astype(int)).max()


def with_alpha(values, clear):
    """RGBA of a picture, transparent where told, whatever colour lies below."""
    alpha = np.where(clear, 0, 255).astype(np.uint8)
    hidden = np.where(clear[..., None], 77, values).astype(np.uint8)
    return Image.fromarray(np.dstack([hidden, alpha]))


CLEAR = np.zeros((ROWS, COLUMNS), bool)
CLEAR[1:4, 3:5] = True
ON_WHITE = np.where(CLEAR[..., None], 255, PICTURE).astype(np.uint8)
GREY_ON_WHITE = np.where(CLEAR[..., None], 255, GREY).astype(np.uint8)


# --- one picture, every way to store it ------------------------------------------------------------------------------

COLOUR_MODES = {"RGB": 0, "RGBA": 0, "RGBX": 0, "RGBa": 0, "CMYK": 1, "YCbCr": 3, "HSV": 9, "LAB": 24}


def in_mode(mode):
    rgb = Image.fromarray(PICTURE)
    if mode == "RGBa":
        return rgb.convert("RGBA").convert("RGBa")
    if mode == "LAB":
        srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
        return ImageCms.applyTransform(rgb, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    return rgb.convert(mode)


@pytest.mark.parametrize(("mode", "tolerance"), COLOUR_MODES.items())
def test_every_mode_of_colour_is_the_same_picture(mode, tolerance):
    assert differs(in_mode(mode)) <= tolerance


STORED = {"PNG": 0, "TIFF": 0, "BMP": 0, "PPM": 0, "TGA": 0, "SGI": 0, "PCX": 0, "JPEG2000": 0, "WEBP": 0, "QOI": 0,
          "ICO": 0, "JPEG": 9, "GIF": 60, "AVIF": 9, "MPO": 9}  # fmt: skip
LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}, "MPO": {"quality": 100},
            "AVIF": {"quality": 100, "subsampling": "4:4:4"}, "ICO": {"sizes": [(COLUMNS, ROWS)]}}  # fmt: skip


@pytest.mark.parametrize(("kind", "tolerance"), STORED.items())
def test_every_format_is_the_same_picture(tmp_path, kind, tolerance):
    path = tmp_path / "picture.of-any-name"
    Image.fromarray(PICTURE).save(path, kind, **LOSSLESS.get(kind, {}))
    assert differs(path) <= max(tolerance, 60 if kind == "MPO" else 0)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_files_are_not_inverted(tmp_path, kind):
    Image.fromarray(PICTURE).convert("CMYK").save(tmp_path / "a", kind, **LOSSLESS.get(kind, {}))
    assert differs(tmp_path / "a") <= 9


@pytest.mark.parametrize("kind", ["LAB", "YCbCr"])
def test_tiff_files_of_other_colour_spaces(tmp_path, kind):
    in_mode(kind).save(tmp_path / "a", "TIFF")
    assert differs(tmp_path / "a") <= COLOUR_MODES[kind]


@given(values=st.lists(st.integers(0, 65535), min_size=6, max_size=6), kind=st.sampled_from(["PNG", "TIFF", "PPM"]),
       mode=st.sampled_from(["I;16", "I;16B", "I;16L"]))  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_grey_of_16_bits_is_divided_by_257(tmp_path_factory, values, kind, mode):
    stored = np.array(values, np.uint16).reshape(2, 3)
    expected = np.repeat(np.rint(stored / 257)[..., None], 3, 2)
    image = Image.frombytes(mode, (3, 2), stored.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    assert differs(image, expected) == 0
    path = tmp_path_factory.mktemp("grey") / "a"
    (image if kind == "TIFF" else Image.fromarray(stored)).save(path, kind)
    assert differs(path, expected) == 0
    path.write_bytes(png(stored[..., None], 16, 0))
    assert differs(path, expected) == 0


def test_colour_of_16_bits_has_the_same_pixels_as_of_8(tmp_path):
    path, wide = tmp_path / "a.png", PICTURE.astype(np.uint16) * 257
    path.write_bytes(png(wide, 16, 2))
    assert differs(path) == 0
    path.write_bytes(png(np.dstack([wide, np.where(CLEAR, 0, 65535)]), 16, 6))
    assert differs(path, ON_WHITE) == 0
    path.write_bytes(png(np.dstack([GREY[..., :1].astype(np.uint16) * 257, np.where(CLEAR, 0, 65535)]), 16, 4))
    assert differs(path, GREY_ON_WHITE) == 0


def tiff(bits, photometric, values):
    """A grey TIFF written by hand, little-endian."""
    height, width = values.shape
    if bits == 12:
        digits = "".join(f"{value:012b}" for value in values.ravel())
        data = bytes(int(digits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(digits), 8))
    else:
        data = values.astype("<u2").tobytes()
    entries = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8 + 2 + 9 * 12 + 4),
               (277, 1), (278, height), (279, len(data))]  # fmt: skip
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + ifd + b"\0\0\0\0" + data


def test_tiff_files_of_12_bits_and_of_white_as_zero(tmp_path):
    grey = GREY[..., 0].astype(np.uint16)
    for bits, photometric, values in (
        (16, 1, grey * 257),
        (16, 0, 65535 - grey * 257),
        (12, 1, np.rint(grey / 255 * 4095).astype(np.uint16)),
    ):
        (tmp_path / "a.tif").write_bytes(tiff(bits, photometric, values))
        assert differs(tmp_path / "a.tif", GREY) == 0, (bits, photometric)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA"])
def test_grey_and_palettes_are_the_same_picture(mode):
    grey = np.where(GREY > 90, 255, 0).astype(np.uint8) if mode == "1" else GREY
    image = Image.fromarray(grey[..., 0])
    if mode in ("La", "PA"):
        image = image.convert("LA") if mode == "La" else image.convert("P")
    assert differs(image.convert(mode), grey) == 0


# --- transparency ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "TGA"])
def test_transparent_pixels_are_white_whatever_colour_is_stored_there(tmp_path, kind):
    with_alpha(PICTURE, CLEAR).save(
        tmp_path / "a", kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})
    )
    assert differs(tmp_path / "a", ON_WHITE) == 0
    with_alpha(GREY, CLEAR).convert("LA").save(tmp_path / "b", kind if kind != "WEBP" else "PNG")
    assert differs(tmp_path / "b", GREY_ON_WHITE) == 0


@given(colour=st.integers(0, 255), alpha=st.integers(0, 255), mode=st.sampled_from(["RGBA", "LA", "RGBa", "La"]))
@settings(deadline=None)
def test_alpha_mixes_with_white(colour, alpha, mode):
    image = Image.new("LA", (2, 2), (colour, alpha)).convert("LA" if mode in ("LA", "La") else "RGBA").convert(mode)
    expected = np.full((2, 2, 3), 255 + (colour - 255) * alpha / 255)
    assert differs(image, expected) <= 2


def test_a_drawing_in_the_alpha_channel_is_seen():
    alpha = np.where(CLEAR, 255, 0).astype(np.uint8)
    image = Image.fromarray(np.dstack([np.zeros((ROWS, COLUMNS, 3), np.uint8), alpha]))
    assert differs(image, np.repeat(np.where(CLEAR, 0, 255)[..., None], 3, 2)) == 0


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("several", [False, True])
def test_transparent_colours_of_a_palette(tmp_path, kind, several):
    levels = np.where(CLEAR, 3, np.arange(COLUMNS) % 3).astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    key = bytes([255, 255, 255, 0]) if several and kind == "PNG" else 3
    image.save(tmp_path / "a", kind, transparency=key)
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [255, 255, 255]])
    assert differs(tmp_path / "a", colours[levels]) == 0


@pytest.mark.parametrize(("bits", "step"), [(1, 255), (2, 85), (4, 17), (8, 1)])
def test_one_transparent_grey_of_a_png(tmp_path, bits, step):
    values = (np.arange(24).reshape(4, 6) * 5 % 2**bits).astype(np.uint8)
    key = int(values[1, 1])
    (tmp_path / "a.png").write_bytes(png(values, bits, 0, chunk(b"tRNS", struct.pack(">H", key))))
    expected = np.repeat(np.where(values == key, 255, values.astype(int) * step)[..., None], 3, 2)
    assert differs(tmp_path / "a.png", expected) == 0


@pytest.mark.parametrize("kind", [0, 2])
def test_one_transparent_colour_of_a_png_of_16_bits(tmp_path, kind):
    values = (PICTURE if kind == 2 else GREY[..., :1]).astype(np.uint16) * 257
    key = values[4, 4]
    (tmp_path / "a.png").write_bytes(png(values, 16, kind, chunk(b"tRNS", key.astype(">u2").tobytes())))
    clear = (values == key).all(2, keepdims=True)
    assert differs(tmp_path / "a.png", np.where(clear, 255, PICTURE if kind == 2 else GREY)) == 0


def test_one_transparent_colour_of_a_png_of_8_bits(tmp_path):
    key = tuple(map(int, PICTURE[4, 4]))
    Image.fromarray(PICTURE).save(tmp_path / "a.png", transparency=key)
    assert differs(tmp_path / "a.png", np.where((np.array(key) == PICTURE).all(2, keepdims=True), 255, PICTURE)) == 0


# --- orientation -----------------------------------------------------------------------------------------------------

STORED_AS = {  # how the upright picture lies in a file of each orientation, written from the EXIF standard
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[::-1],
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[:, ::-1],
}


@given(orientation=st.sampled_from(list(STORED_AS)),
       kind=st.sampled_from(["JPEG", "PNG", "TIFF", "TIFF, packed", "WEBP", "AVIF", "MPO"]),
       mode=st.sampled_from(["RGB", "L", "RGBA", "P", "I;16", "LA", "1", "CMYK"]))  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_orientation_of_any_mode_and_format(tmp_path_factory, orientation, kind, mode):
    lies = np.ascontiguousarray(STORED_AS[orientation](PICTURE))
    plain = Image.fromarray(lies)
    image = (
        Image.fromarray(np.asarray(plain.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else plain.convert(mode)
    )
    path = tmp_path_factory.mktemp("turned") / "a"
    options = {"compression": "tiff_lzw"} if kind == "TIFF, packed" else LOSSLESS.get(kind, {})
    turned, upright = Image.Exif(), Image.Exif()
    turned[0x0112] = orientation
    try:
        image.save(path, kind[:4], exif=turned, **options)
        image.save(path.with_name("b"), kind[:4], exif=upright, **options)
    except (OSError, ValueError):
        return  # the format has no such mode
    expected = STORED_AS[{6: 8, 8: 6}.get(orientation, orientation)](
        as_seen(path.with_name("b")).permute(1, 2, 0).numpy()
    )
    assert differs(path, expected) == 0
    assert differs(Image.open(path), expected) == 0, "an image of Pillow is turned too"


def test_an_upright_picture_is_seen_upright(tmp_path):
    for orientation, lying in STORED_AS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(np.ascontiguousarray(lying(PICTURE))).save(tmp_path / "a.png", exif=exif)
        assert differs(tmp_path / "a.png") == 0, orientation
        assert torch.equal(decode(tmp_path / "a.png", 5), decode(Image.fromarray(PICTURE), 5))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path, value):
    exif = Image.Exif()
    exif[0x0112] = value
    Image.fromarray(PICTURE).save(tmp_path / "a.png", exif=exif)
    assert differs(tmp_path / "a.png") == 0


def test_unreadable_exif_turns_nothing(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png", exif=b"Exif\0\0no such thing")
    assert differs(tmp_path / "a.png") == 0


# --- the first of several --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "WEBP", "AVIF"])
def test_the_first_frame_is_taken(tmp_path, kind):
    frames = [Image.fromarray(np.full((ROWS, COLUMNS, 3), value, np.uint8)) for value in (200, 30, 90)]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:], **LOSSLESS.get(kind, {}))
    assert differs(tmp_path / "a", np.full((ROWS, COLUMNS, 3), 200)) <= 2
    assert seeing.has_several_frames(tmp_path / "a")
    frames[0].save(tmp_path / "b", kind)
    assert not seeing.has_several_frames(tmp_path / "b")
    (tmp_path / "c").write_bytes(b"none")
    assert not seeing.has_several_frames(tmp_path / "c")


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "kind"), [("F", "TIFF"), ("I", "TIFF"), ("F", None), ("I", None)])
def test_modes_of_unknown_white_are_refused_by_name(tmp_path, mode, kind):
    image = Image.new(mode, (3, 3), 9)
    if kind:
        image.save(tmp_path / "a.tif", kind)
        image = tmp_path / "a.tif"
    with pytest.raises(DataDamaged, match=f"{'a.tif' if kind else 'the image'} has mode {mode}.*8 bits or unsigned 16"):
        as_seen(image)


def make_nothing(path):
    path.write_bytes(b"")


def make_hdf5(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def make_postscript(path):
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")


def make_broken_link(path):
    path.symlink_to("nothing.png")


def make_loop(path):
    path.symlink_to(path.name)


def make_page(path):
    path.write_text("<html>404</html>")


ODD = {
    make_nothing: "it is empty", make_hdf5: ".*HDF", make_postscript: ".*%!PS", make_page: ".*html",
    os.mkfifo: "a pipe", os.mkdir: "a folder", make_broken_link: "a link to nothing", make_loop: "a loop of links",
}  # fmt: skip


@pytest.mark.parametrize(("make", "reason"), ODD.items())
def test_what_is_no_picture_is_refused_by_name_and_reason(tmp_path, make, reason):
    make(tmp_path / "x.png")
    with pytest.raises(DataDamaged, match=f"{re.escape(str(tmp_path / 'x.png'))} is.* {reason}") as caught:
        decode(tmp_path / "x.png", 8)
    assert not re.search("delete|remove", str(caught.value), re.IGNORECASE)


@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a\0b.png"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(DataDamaged, match=r"is not to be read \((File name too long|embedded null byte)\)"):
        as_seen(tmp_path / name)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(DataDamaged, match=r"a\.png is not there"):
        as_seen(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "TGA", "JPEG2000", "AVIF", "ICO"])
def test_cut_short_or_scrambled_it_is_damaged_or_still_a_picture(tmp_path, kind):
    source = np.random.default_rng(0)
    path = tmp_path / "a"
    Image.fromarray(source.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path, kind)
    whole = path.read_bytes()
    for kept in range(0, len(whole), max(1, len(whole) // 40)):
        scrambled = bytearray(whole)
        scrambled[kept : kept + 3] = source.bytes(3)
        for content in (whole[:kept], bytes(scrambled)):
            path.write_bytes(content)
            try:
                assert as_seen(path).shape[0] == 3
            except DataDamaged as error:
                assert str(path) in str(error)  # noqa: PT017  some of these can still be decoded


@pytest.mark.parametrize(("width", "height"), [(15_000, 12_000), (10_000, 9_000), (2**31 - 1, 2**20)])
def test_too_many_pixels_are_refused_with_their_number_and_the_limit(tmp_path, width, height):
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b""))
    with pytest.raises(DataDamaged, match=r"bomb\.png is too large: .*89,?478,?485.* Make it smaller"):
        as_seen(tmp_path / "bomb.png")


def test_an_error_of_a_decoder_names_the_file(tmp_path, monkeypatch):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    for error, reason in ((KeyError("x"), "damaged or no image"), (MemoryError(), "does not fit in memory")):

        def fail(self, error=error):
            raise error

        monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
        with pytest.raises(DataDamaged, match=rf"a\.png .*{reason}"):
            as_seen(tmp_path / "a.png")


def test_a_name_that_is_not_utf_8_works_and_can_be_printed(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.fromarray(PICTURE).save(path)
    assert differs(path) == 0
    path.write_bytes(b"")
    with pytest.raises(DataDamaged, match=re.escape(r"caf\xe9.png")) as caught:
        as_seen(path)
    assert str(caught.value).encode("utf-8")


# --- memory ----------------------------------------------------------------------------------------------------------


def test_threads_decode_a_bounded_number_of_pixels_at_once(monkeypatch):
    room = seeing._Room(100)
    monkeypatch.setattr(seeing, "_ROOM", room)
    inside, most, lock = [0], [0], threading.Lock()

    def use(pixels):
        with room.taken(pixels):
            with lock:
                inside[0] += pixels
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.002)
            with lock:
                inside[0] -= pixels

    threads = [threading.Thread(target=use, args=(pixels,)) for pixels in (60, 30, 70, 10, 50, 90) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 100
    with room.taken(10**9):  # more than all: decoded alone
        assert room._free == 0
    assert room._free == 100
