#!/usr/bin/env python3
"""Makes tests/goldens/image: small files with what Pillow and OpenCV make of them.

    pip install pillow==13.0.0 numpy opencv-python-headless==4.10.0.84; apt install libjpeg-turbo-progs
    python tools/make_image_goldens.py tests/goldens/image

Expected pixels are stored as PNG without filters of colour: RGB, 8 bits.
"""
import io
import json
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy
import PIL
from PIL import Image, ImageOps, features

SIZES = [(20, 15), (80, 31), (37, 60), (1, 1), (41, 7), (100, 29), (16, 16), (3, 50)]


def picture(width, height, seed):
    """Smooth waves with noise and a hard edge, so that chroma, rounding and overshoot all show."""
    rng = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 90 * numpy.sin(x / (3 + i) + seed) * numpy.cos(y / (5 - i)) for i in range(3)]
    pixels = numpy.stack(planes, -1) + rng.normal(0, 18, (height, width, 3))
    pixels[height // 3 : height // 2, width // 4 : width // 2] = [255, 0, 30]
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8), "RGB")


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(width, height, color_type, channels, seed):
    """Pillow does not write 16-bit RGB; the expected pixels are the high bytes."""
    values = numpy.random.default_rng(seed).integers(0, 65536, (height, width, channels), dtype=numpy.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b"")
    high = (values >> 8).astype(numpy.uint8)
    rgb = numpy.repeat(high[..., :1], 3, -1) if channels < 3 else high[..., :3]
    return data, Image.fromarray(numpy.ascontiguousarray(rgb), "RGB")


def many_scans():
    """A valid progressive JPEG with a scan for each of 99 coefficients, where encoders write ten scans."""
    coefficients = [(c, k) for c in range(3) for k in range(1, 64)][:99]
    scans = ["0,1,2: 0-0, 0, 0;"] + [f"{c}: {k}-{k}, 0, 0;" for c, k in coefficients]
    with tempfile.TemporaryDirectory() as folder:
        script, source = Path(folder) / "scans", Path(folder) / "in.jpg"
        script.write_text("\n".join(scans) + "\n")
        picture(16, 16, 6).save(source, quality=50)
        return subprocess.run(["jpegtran", "-scans", script, source], check=True, stdout=subprocess.PIPE).stdout


def decoding_cases():
    base = picture(41, 29, 1)

    def encoded(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    yield "plain.jpg", encoded(base, "JPEG", quality=85)
    yield "h1v1.jpg", encoded(base, "JPEG", quality=92, subsampling=0)
    yield "h2v1.jpg", encoded(base, "JPEG", quality=70, subsampling=1)
    yield "progressive.jpg", encoded(base, "JPEG", quality=80, progressive=True)
    yield "grey.jpg", encoded(base.convert("L"), "JPEG", quality=80)
    yield "rgb.jpg", encoded(base, "JPEG", quality=90, keep_rgb=True)
    yield "cmyk.jpg", encoded(base.convert("CMYK"), "JPEG", quality=90)
    # The same data declared to be YCCK: the last byte of the Adobe marker is the transform.
    adobe = bytearray(encoded(base.convert("CMYK"), "JPEG", quality=90, subsampling=0))
    adobe[adobe.index(b"Adobe") + 11] = 2
    yield "ycck.jpg", bytes(adobe)
    yield "restart.jpg", encoded(base, "JPEG", quality=80, restart_marker_blocks=2)
    yield "one_pixel.jpg", encoded(picture(1, 1, 2), "JPEG")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"exif_{orientation}.jpg", encoded(picture(19, 10, 3), "JPEG", quality=90, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "exif_6.png", encoded(picture(19, 10, 3), "PNG", exif=exif)
    yield "plain.png", encoded(base, "PNG")
    yield "grey.png", encoded(base.convert("L"), "PNG")
    yield "one_bit.png", encoded(base.convert("1"), "PNG")
    yield "palette.png", encoded(base.quantize(13), "PNG")
    yield "palette_transparent.png", encoded(base.quantize(13), "PNG", transparency=3)
    alpha = Image.fromarray(numpy.random.default_rng(4).integers(0, 256, (29, 41), dtype=numpy.uint8), "L")
    rgba = base.copy()
    rgba.putalpha(alpha)
    yield "rgba.png", encoded(rgba, "PNG")
    yield "grey_alpha.png", encoded(rgba.convert("LA"), "PNG")


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    random.seed(0)
    names = []
    for name, data in decoding_cases():
        (out / name).write_bytes(data)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        # Through numpy, so that no metadata comes along.
        Image.fromarray(numpy.asarray(upright), "RGB").save(out / f"{name}.expected.png")
        names.append(name)
    for name, color_type, channels in [("rgb16.png", 2, 3), ("grey16.png", 0, 1), ("rgba16.png", 6, 4)]:
        data, expected = png16(17, 9, color_type, channels, 5)
        (out / name).write_bytes(data)
        expected.save(out / f"{name}.expected.png")
        names.append(name)

    (out / "many_scans.jpg").write_bytes(many_scans())
    source = picture(41, 29, 1)
    kinds = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    resized = []
    for width, height in SIZES:
        for kind, number in kinds.items():
            name = f"resize_{kind}_{width}x{height}.png"
            source.resize((width, height), number).save(out / name)
            resized.append({"file": name, "kind": kind, "width": width, "height": height})
    halves = source.crop((0, 0, 40, 28))
    halves.save(out / "even.png")
    for from_file, image, sizes in [("plain.png", source, SIZES), ("even.png", halves, [(20, 14), (20, 15), (80, 56), (10, 7)])]:
        for width, height in sizes:
            name = f"resize_opencv_{Path(from_file).stem}_{width}x{height}.png"
            pixels = cv2.resize(numpy.asarray(image), (width, height), interpolation=cv2.INTER_LINEAR)
            Image.fromarray(pixels, "RGB").save(out / name)
            resized.append({"file": name, "kind": "opencv", "width": width, "height": height, "from": from_file})
    (out / "resize.json").write_text(json.dumps(resized, indent=0) + "\n")
    (out / "decode.json").write_text(json.dumps(names) + "\n")
    (out / "PROVENANCE.md").write_text(
        "# Pictures and what Pillow and OpenCV make of them\n\n"
        f"Made by `python tools/make_image_goldens.py tests/goldens/image` with Pillow {PIL.__version__} (libjpeg-turbo "
        f"{features.version('libjpeg_turbo')}), numpy {numpy.__version__}, OpenCV {cv2.__version__}.\n"
        "All pictures are computed by the script; nothing comes from a data set.\n\n"
        "- `decode.json` lists files to decode; `X.expected.png` is `exif_transpose(open(X)).convert(\"RGB\")`, except for the\n"
        "  16-bit files, which the script packs itself and whose expected pixels are the high bytes (alpha dropped).\n"
        "- `resize.json` lists resized versions of `plain.png` (or of `from`): Pillow's nearest, bilinear and bicubic,\n"
        "  and `cv2.resize(..., interpolation=INTER_LINEAR)` as `opencv`.\n"
        "- `many_scans.jpg` has 100 scans, written by jpegtran; it is there to be refused.\n")


main()
