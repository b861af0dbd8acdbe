"""Images, requests and preset files as this extension and other tools write them, made in memory."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from PIL import Image, PngImagePlugin

from freeu import Settings

FACTORS = {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}
LEVELS = Settings(version="1", stage_map="levels", **FACTORS)
ORIGINAL = Settings(version="1", width1=641 / 1280, width2=321 / 640, **FACTORS)
"""Of SD.Next's original backend."""

# Images, with pixels that Pillow makes


def image_file(kind: str, **options: Any) -> bytes:
    """Return an image in a format of Pillow, with options of its `save`."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, **options)
    return file.getvalue()


def png_with(texts: Mapping[str, str]) -> bytes:
    """Return a PNG with texts by name."""
    chunks = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        chunks.add_text(name, text)
    return image_file("PNG", pnginfo=chunks)


def with_comment(kind: str, comment: bytes | str, directory: int | None = 0x8769) -> bytes:
    """Return an image with an EXIF comment in a directory of EXIF; None puts it outside, as Fooocus does."""
    exif = Image.Exif()
    exif.update({0x9286: comment} if directory is None else {directory: {0x9286: comment}})
    return image_file(kind, exif=exif)


# Images, byte by byte

BYTE, ASCII, SHORT, LONG, UNDEFINED = 1, 2, 3, 4, 7
"""Types of an EXIF field."""


def tiff(
    comment: bytes, kind: int = UNDEFINED, pointer: int = LONG, byte_order: str = "<", description: bytes = b""
) -> bytes:
    """Return EXIF data: the first directory has a description and the offset of a second one, which has a comment."""
    header = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(f"{byte_order}I", 8)
    first = struct.pack(f"{byte_order}HHHIIHHIII", 2, 0x0110, ASCII, len(description), 56, 0x8769, pointer, 1, 38, 0)
    second = struct.pack(f"{byte_order}HHHIII", 1, 0x9286, kind, len(comment), 56 + len(description), 0)
    return header + first + second + description + comment


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (1, 1)) -> bytes:
    """Return a PNG with chunks (kind, content) before the pixels."""

    def pack(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = (b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    parts = [header, *chunks, (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pack(*part) for part in parts)


def jpeg(*segments: tuple[int, bytes], size: tuple[int, int] = (1, 1)) -> bytes:
    """Return a JPEG with segments (marker, content) before its own."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "JPEG")
    added = b"".join(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments)
    own = file.getvalue()[2:].replace(struct.pack(">BHH", 8, 1, 1), struct.pack(">BHH", 8, *reversed(size)))
    return b"\xff\xd8" + added + own


def webp(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (1, 1)) -> bytes:
    """Return a WebP with chunks (kind, content) after the pixels."""
    width, height = (number - 1 for number in size)
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "WebP")
    packed = [kind + struct.pack("<I", len(c)) + c + b"\0" * (len(c) % 2) for kind, c in chunks]
    canvas = (width & 0xFFFF, width >> 16, height & 0xFFFF, height >> 16)
    extended = struct.pack("<4sIIHBHB", b"VP8X", 10, 8, *canvas)
    content = b"WEBP" + extended + file.getvalue()[12:] + b"".join(packed)
    return b"RIFF" + struct.pack("<I", len(content)) + content


# What the tools write

PROMPT = "a cat: (grey:1.2), \\(tabby\\)\nNegative prompt: blue, low quality: yes\n"


def infotext(*keys: str) -> str:
    """Return the text that a WebUI writes, with FreeU's keys in it."""
    return PROMPT + ", ".join(["Steps: 20, Sampler: Euler a, Size: 64x64", *keys, 'Lora hashes: "a: 1, b: 2"'])


def comfyui(node: Any, **changes: Any) -> dict[str, Any]:
    """Return a graph of ComfyUI, as in the chunk "prompt"."""
    return {
        "3": {"class_type": "KSampler", "inputs": {"model": ["5", 0], "seed": 1, "steps": 20}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "5": {"class_type": node, "inputs": {"model": ["4", 0], **FACTORS, **changes}},
    }


def comfyui_chain(*nodes: tuple[str, dict[str, Any]], sampler: str = "KSampler") -> dict[str, Any]:
    """Return a graph of ComfyUI in which a model goes through `nodes` to a sampler; a node is (class, inputs)."""
    graph: dict[str, Any] = {"0": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}}}
    for n, (kind, inputs) in enumerate((*nodes, (sampler, {"seed": 1})), 1):
        graph[str(n)] = {"class_type": kind, "inputs": {"model": [str(n - 1), 0], **inputs}}
    return graph


def comfyui_page(*kinds: str, mode: int = 0) -> dict[str, Any]:
    """Return a workflow as ComfyUI's page saves it."""
    nodes = [
        {"id": n, "type": kind, "mode": mode, "widgets_values": [1.3, 1.4, 0.9, 0.2]} for n, kind in enumerate(kinds)
    ]
    return {"last_node_id": 5, "nodes": nodes, "links": [[1, 4, 0, 5, 0, "MODEL"]], "version": 0.4}


def comfyui_webp(**texts: str) -> bytes:
    """Return a WebP as ComfyUI saves it: the graph in the tag of the camera's model, others in those before it."""
    exif = Image.Exif()
    exif[0x0110] = f"prompt:{texts.pop('prompt')}"
    exif.update({0x010F - n: f"{name}:{text}" for n, (name, text) in enumerate(texts.items())})
    return image_file("WebP", exif=exif)


def comfyui_animation(**texts: str) -> bytes:
    """Return a PNG as ComfyUI saves an animation: with chunks of its own after the pixels."""
    chunks = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        chunks.add(b"comf", f"{name}\0{text}".encode(), after_idat=True)
    return image_file("PNG", pnginfo=chunks)


def invokeai(**changes: Any) -> dict[str, Any]:
    """Return a graph of InvokeAI, as in the chunk "invokeai_graph"."""
    node = {"id": "freeu:1", "type": "freeu", "is_intermediate": True, "unet": None, **FACTORS, **changes}
    edge = {
        "source": {"node_id": "freeu:1", "field": "unet"},
        "destination": {"node_id": "denoise:1", "field": "unet"},
    }
    return {"id": "graph", "nodes": {"freeu:1": node, "denoise:1": {"type": "denoise_latents"}}, "edges": [edge]}


def swarmui(**params: Any) -> dict[str, Any]:
    """Return SwarmUI's chunk "parameters"."""
    return {"sui_image_params": {"prompt": "a cat", "model": "a", "steps": 20, **params}, "sui_extra_data": {}}


STAGES = r'"[{\"backbone_factor\": 1.2, \"skip_factor\": 0.9}, {\"backbone_factor\": 1.4, \"skip_factor\": 0.2}]"'
"""Of ljleb\'s extension, quoted as in an infotext."""
SWARMUI = {"freeuapplyto": "Both", "freeuversion": "2", "freeublockone": 1.3, "freeublocktwo": 1.4}
WRITTEN: dict[str, tuple[dict[str, str], str, Settings]] = {
    "ours": ({"parameters": infotext("FreeU b1: 1.1, FreeU curve: \"0:0, 1:1\"")}, "this extension",
             Settings(b1=1.1, curve="0:0, 1:1")),
    "ljleb": ({"parameters": infotext(f'FreeU Stages: {STAGES}, FreeU Schedule: "0.0, 16, 0.5"')},
              "ljleb's sd-webui-freeu",
              Settings(version="1", b1=1.2, s1=0.9, b2=1.4, s2=0.2, stop=0.8, smoothness=0.5)),
    "Forge": ({"parameters": infotext(*(f"freeu_{k}: {v}" for k, v in {"enabled": True, **FACTORS}.items()))},
              "Forge or reForge", Settings(**FACTORS)),
    "SD.Next": ({"parameters": infotext("FreeU: b1=1.3 b2=1.4 s1=0.9 s2=0.2")}, "SD.Next", LEVELS),
    "Fooocus, a1111": ({"parameters": infotext('FreeU: "(1.3, 1.4, 0.9, 0.2)"'), "fooocus_scheme": "a1111"},
                       "Fooocus", Settings(**FACTORS)),
    "Fooocus, fooocus": ({"parameters": json.dumps({"freeu": "(1.3, 1.4, 0.9, 0.2)", "steps": 30}),
                          "fooocus_scheme": "fooocus"}, "Fooocus", Settings(**FACTORS)),
    "ComfyUI FreeU": ({"prompt": json.dumps(comfyui("FreeU"))}, "ComfyUI", Settings(version="1", **FACTORS)),
    "ComfyUI FreeU_V2": ({"prompt": json.dumps(comfyui("FreeU_V2")), "workflow": "{}"}, "ComfyUI",
                         Settings(version="2", **FACTORS)),
    "ComfyUI, with a WebUI's infotext": ({"parameters": infotext(), "prompt": json.dumps(comfyui("FreeU"))},
                                         "ComfyUI", Settings(version="1", **FACTORS)),
    "InvokeAI": ({"invokeai_graph": json.dumps(invokeai()), "invokeai_metadata": "{}"}, "InvokeAI", LEVELS),
    "InvokeAI, off because of a 0": ({"invokeai_graph": json.dumps(invokeai(s1=0))}, "InvokeAI",
                             LEVELS.replace(s1=0, enabled=False)),
    "SwarmUI": ({"parameters": json.dumps(swarmui(**SWARMUI))}, "SwarmUI", Settings(version="2", **FACTORS)),
    "SD.Next, original backend": ({"parameters": infotext("FreeU: b1=1.3 b2=1.4 s1=0.9 s2=0.2, Backend: Original")},
                                  "SD.Next", ORIGINAL),
    "SD.Next, off because of a 0": ({"parameters": infotext("FreeU: b1=1.3 b2=1.4 s1=0.9 s2=0.0")}, "SD.Next",
                                    LEVELS.replace(s2=0, enabled=False)),
    "ComfyUI, a request": ({"prompt": json.dumps({"client_id": "a", "prompt": comfyui("FreeU")})}, "ComfyUI",
                           Settings(version="1", **FACTORS)),
    "ComfyUI, with a page's workflow": (
        {"prompt": json.dumps(comfyui("FreeU")), "workflow": json.dumps(comfyui_page("FreeU"))}, "ComfyUI",
        Settings(version="1", **FACTORS)),
}  # fmt: skip
"""Of each tool: the texts in an image, the name of the tool, and the settings."""

# Preset files

LJLEB = """{
    "mine": {
        "start_ratio": 0.2,
        "stop_ratio": 1,
        "transition_smoothness": 0,
        "version": "1",
        "stage_infos": [
            {"backbone_factor": 1.2, "skip_factor": 0.9},
            {"backbone_factor": 1.4, "backbone_offset": 0.25, "backbone_width": 0.75, "skip_cutoff": 0.1},
            {"skip_high_end_factor": 1.1}
        ]
    },
    "plain": {"stage_infos": []}
}"""
"""Of ljleb's extension, as its Save button writes it: without defaults, and with version 1 whatever the page shows."""
FORGE = """# My presets
presets_custom = [
    #  name, b1, b2, s1, s2, start, end
    ('mine', 1.2, 1.4, 0.9, 0.2, 0.0, 1.0),
    ("late", 1.1, 1.2, 0.6, 0.4, 0.5, 1),
]
"""
"""Of Forge: code of Python."""
