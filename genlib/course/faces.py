"""The book's own faces: text, sans and code as woff2, made from what Python packages carry.

A page that names the reader's fonts is another page on every machine: its lines break elsewhere and its formulas have
another size. Here the faces are cut down to the characters that a book of this kind needs and to those that its pages
use, and are written beside the pages with their licences. Hangul alone stays the reader's own.

The licence of Source Serif and Source Sans reserves their names: what is cut from them is called after the book.
fontTools and brotli come with the extras ``book`` and ``teach``.
"""

import hashlib
import html
import io
import re
import shutil
import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SERIF, SANS, DEJAVU = "font_source_serif_pro/files", "font_source_sans_pro/files", "matplotlib/mpl-data/fonts/ttf"
LICENCES = {
    "source-serif.txt": f"{SERIF}/LICENSE.txt",
    "source-sans.txt": f"{SANS}/LICENSE.txt",
    "dejavu.txt": f"{DEJAVU}/LICENSE_DEJAVU",
}


@dataclass(frozen=True)
class Face:
    """A face as CSS knows it, and the file inside a package that it is cut from."""

    family: str
    weight: str
    style: str
    source: str
    adjust: str = ""

    @property
    def file(self):
        """What its file in the site is called: "book-serif-400-italic.woff2"."""
        weight, style = self.weight.split()[0], "-italic" if self.style == "italic" else ""
        return f"{self.family.lower().replace(' ', '-')}-{weight}{style}.woff2"


# Bold is semibold here: a second bold would be one more file to load. Code leans nowhere.
FACES = (
    Face("Book Serif", "400", "normal", f"{SERIF}/SourceSerifPro-Regular.otf"),
    Face("Book Serif", "600 900", "normal", f"{SERIF}/SourceSerifPro-Semibold.otf"),
    Face("Book Serif", "400", "italic", f"{SERIF}/SourceSerifPro-It.otf"),
    Face("Book Serif", "600 900", "italic", f"{SERIF}/SourceSerifPro-SemiboldIt.otf"),
    Face("Book Sans", "400", "normal", f"{SANS}/SourceSansPro-Regular.otf"),
    Face("Book Sans", "600 900", "normal", f"{SANS}/SourceSansPro-Semibold.otf"),
    Face("Book Sans", "400", "italic", f"{SANS}/SourceSansPro-It.otf"),
    Face("Book Mono", "400", "normal", f"{DEJAVU}/DejaVuSansMono.ttf"),
    Face("Book Mono", "600 900", "normal", f"{DEJAVU}/DejaVuSansMono-Bold.ttf"),
)
# What a page uses and one of the faces above lacks. Its letters are taller than Source's: set a little smaller.
SIGNS = Face("Book Signs", "400 900", "normal", f"{DEJAVU}/DejaVuSans.ttf", adjust="90%")

# In every face that has them, so that a new word in a chapter makes no face anew.
ALWAYS = frozenset(
    [
        *range(0x20, 0x7F),
        *range(0xA0, 0x100),  # of Western Europe; the rest of Latin comes with the names that the pages use
        *range(0x391, 0x3AA),
        *range(0x3B1, 0x3CA),  # Greek
        *range(0x2010, 0x2027),
        *map(ord, "ϕϵ‰′″‹›⁄€™ℓ⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉←↑→↓↔⇒⇔∂∇∈∏∑−√∝∞∫≈≠≡≤≥≪≫·×✓✗●○■□▲▼◆"),
    ]
)
FEATURES = ("kern", "mark", "mkmk", "ccmp", "liga", "locl", "onum", "lnum", "pnum", "tnum")
HANGUL = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF))
UNSEEN = re.compile(r"<(script|style)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.DOTALL)
TOLD = re.compile(r'\s(?:placeholder|data-family)="([^"]*)"')  # attributes that are shown


def characters(page):
    """The code points that a page (HTML, as text) shows: a set of int."""
    shown = UNSEEN.sub(" ", page) + " ".join(TOLD.findall(page))
    return {ord(c) for c in set(html.unescape(shown)) if unicodedata.category(c)[0] not in "CZ"}


def is_hangul(code):
    """Does this code point belong to Hangul, which is set in the reader's own font?"""
    return any(first <= code <= last for first, last in HANGUL)


def located(inside):
    """The path of a file that a package carries. Raises ImportError if the package is not there."""
    package, _, name = inside.partition("/")
    spec = find_spec(package)
    if spec is None:
        raise ImportError(f"The faces of the book need the package {package.replace('_', '-')}.")
    return Path(spec.submodule_search_locations[0], name)


def repertoire(face):
    """The code points that the face has before it is cut: a frozenset of int."""
    from fontTools.ttLib import TTFont

    with TTFont(located(face.source), lazy=True) as font:
        return frozenset(font.getBestCmap())


def upright(face):
    """The face that stands in for the letters that an italic one lacks (Greek, arrows)."""
    return next(f for f in FACES if (f.family, f.weight, f.style) == (face.family, face.weight, "normal"))


def shares(used):
    """Who sets what: ({face: its code points}, what no face has). ``used`` is the set that ``characters`` returns."""
    wanted = {code for code in ALWAYS | used if not is_hangul(code)}
    has = {face: repertoire(face) for face in FACES}
    found = {face: frozenset(wanted & has[face]) for face in FACES}
    everywhere = frozenset.intersection(*(has[face] for face in FACES if face.style == "normal"))
    signs = {code for code in used if not is_hangul(code)} - everywhere
    known = repertoire(SIGNS)
    return found | {SIGNS: frozenset(signs & known)}, frozenset(signs - known)


def ranges(codes):
    """Code points as CSS writes them: "U+391-3A1,U+2713"."""
    runs = []
    for code in sorted(codes):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return ",".join(f"U+{a:X}" if a == b else f"U+{a:X}-{b:X}" for a, b in runs)


def rule(face, file, codes=()):
    """An @font-face. Text waits for its face: set in another one first, it would move when the face arrives."""
    lines = [f'font-family: "{face.family}"', f"font-weight: {face.weight}", f"font-style: {face.style}"]
    lines += ["font-display: block", f'src: url("{file}") format("woff2")']
    lines += [f"size-adjust: {face.adjust}"] * bool(face.adjust) + [f"unicode-range: {ranges(codes)}"] * bool(codes)
    return "@font-face {\n" + "".join(f"  {line};\n" for line in lines) + "}\n"


def sheet(found, folder=""):
    """The style sheet that declares the faces of ``shares``; their files lie in ``folder`` as seen from it."""
    rules = []
    for face, codes in found.items():
        if not codes:
            continue
        rules.append(rule(face, folder + face.file, codes if face is SIGNS else ()))
        if face.style == "italic":
            lacks = found[upright(face)] - codes
            rules.append(rule(face, folder + upright(face).file, lacks))
    return "".join(rules)


def cut(face, codes):
    """The face with these code points alone, under the book's name: the bytes of a woff2."""
    from fontTools import subset

    options = subset.Options()
    options.flavor, options.layout_features, options.name_IDs = "woff2", list(FEATURES), [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.drop_tables += ["FFTM"]
    options.hinting = face.source.endswith(".otf")  # of DejaVu they are half of the file
    with subset.load_font(located(face.source), options) as font:  # it holds its file open
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=codes)
        cutter.subset(font)
        plain = face.file.removesuffix(".woff2")
        for number, name in ((1, face.family), (3, plain), (4, plain), (6, plain)):
            font["name"].setName(name, number, 3, 1, 0x409)
        if "CFF " in font:
            top = font["CFF "].cff
            top.fontNames = [plain]
            top.topDictIndex[0].FullName, top.topDictIndex[0].FamilyName = plain, face.family
        out = io.BytesIO()
        subset.save_font(font, out, options)
    return out.getvalue()


def write(folder, used, cache):
    """Write faces and licences into ``folder`` for the characters ``used``; returns (the sheet, what no face has).

    ``cache`` is a folder that keeps what was cut: the same face with the same characters is not cut again. The
    addresses in the sheet are those seen from the folder itself. Raises ImportError if a package is not there.
    """
    import fontTools

    folder, cache = Path(folder), Path(cache)
    folder.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    found, missing = shares(used)
    for face, codes in found.items():
        if not codes:
            continue
        source = located(face.source).read_bytes()
        made_of = f"{fontTools.version} {Path(__file__).read_text(encoding='utf8')} {face} {ranges(codes)}"
        kept = cache / f"{hashlib.sha256(source + made_of.encode()).hexdigest()[:32]}.woff2"
        if not kept.exists():
            draft = kept.with_suffix(".part")
            draft.write_bytes(cut(face, codes))
            draft.replace(kept)
        shutil.copyfile(kept, folder / face.file)
    for name, source in LICENCES.items():
        shutil.copyfile(located(source), folder / name)
    return sheet(found), missing
